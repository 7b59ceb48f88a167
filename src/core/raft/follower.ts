import { hexId, type Index, type MemberId, noMember } from "../types.ts";
import { configurationFault, fromConfState } from "./conf-change.ts";
import type { Raft } from "./raft.ts";
import { type ConfState, type Entry, type Message, MessageType, type Snapshot } from "./types.ts";

/** A message that only a leader sends, of our term: whatever we were, we follow it. */
export function followLeader(r: Raft, from: MemberId): void {
  if (r.state !== "follower") r.becomeFollower(r.term, from);
  r.electionElapsed = 0;
  r.leader = from;
}

/** MsgApp (paper 5.3): append, or say where the logs may meet. */
export function handleAppend(r: Raft, m: Message): void {
  if (!wellFormed(m)) {
    r.note("ignored a malformed MsgApp", { from: hexId(m.from) });
    return;
  }
  const log = r.log;
  const response = r.message(MessageType.MsgAppResp, m.from);
  if (m.index < log.committed) {
    // What is committed is equal everywhere: the leader may go on behind it.
    response.index = log.committed;
    r.send(response);
    return;
  }
  const last = log.maybeAppend(m.index, m.logTerm, m.entries);
  if (last !== undefined) {
    log.commitTo(Math.min(m.commit, last) as Index);
    response.index = last;
    r.send(response);
    return;
  }
  const end = Math.min(m.index, log.lastIndex) as Index;
  const hint = log.findConflictByTerm(end, m.logTerm);
  response.index = m.index;
  response.reject = true;
  response.rejectHint = hint.index;
  response.logTerm = hint.term;
  r.send(response);
}

/** Entries follow each other without a hole, in terms that rise up to the sender's. */
function wellFormed(m: Message): boolean {
  let index = m.index as number;
  let term = m.logTerm;
  for (const e of m.entries as readonly Entry[]) {
    if (e.index !== ++index || e.term < term || e.term > m.term) return false;
    term = e.term;
  }
  return true;
}

export function handleHeartbeat(r: Raft, m: Message): void {
  r.log.commitTo(m.commit);
  const response = r.message(MessageType.MsgHeartbeatResp, m.from);
  response.context = m.context;
  r.send(response);
}

/** MsgSnap: the answer tells how far we are, with the snapshot or without it. */
export function handleSnapshot(r: Raft, m: Message): void {
  const restored = m.snapshot !== undefined && restore(r, m.snapshot);
  const response = r.message(MessageType.MsgAppResp, m.from);
  response.index = restored ? r.log.lastIndex : r.log.committed;
  r.send(response);
}

/** Replaces log and configuration by the snapshot's, if it is news to us. */
function restore(r: Raft, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot.metadata;
  const log = r.log;
  if (index <= log.committed) return false;
  if (!isPart(confState, r.id)) {
    r.note("ignored a snapshot whose configuration does not hold us", { index });
    return false;
  }
  const configuration = fromConfState(confState);
  const fault = configurationFault(configuration);
  if (fault !== undefined) {
    r.note("ignored a snapshot with a malformed configuration", { index, fault });
    return false;
  }
  if (log.matches(index, term)) {
    // We have all these entries: they need no state, only the word that they are committed.
    log.commitTo(index);
    return false;
  }
  log.restore(snapshot);
  r.tracker.replaceWith(configuration, log.lastIndex);
  r.note("restored a snapshot", { index, snapshotTerm: term });
  return true;
}

const isPart = (cs: ConfState, id: MemberId): boolean =>
  cs.voters.includes(id) || cs.learners.includes(id) || cs.votersOutgoing.includes(id);

/** Passes a request on to the leader; false when there is none. */
export function forward(r: Raft, m: Message): boolean {
  if (r.leader === noMember) return false;
  r.send({ ...m, to: r.leader });
  return true;
}

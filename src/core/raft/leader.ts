import { emptyBytes } from "../../lib/bytes.ts";
import { hexId, type Index, type MemberId, noMember } from "../types.ts";
import {
  type Configuration,
  changeConfiguration,
  isJoint,
  leavesJoint,
  toConfState,
} from "./conf-change.ts";
import type { Progress } from "./progress.ts";
import type { Raft } from "./raft.ts";
import type { DropReason, ProposeResult } from "./ready.ts";
import {
  type ConfChangeV2,
  type ConfState,
  type Entry,
  EntryType,
  type Message,
  MessageType,
} from "./types.ts";

const dropped = (reason: DropReason): ProposeResult => ({ kind: "dropped", reason });

// --- proposals ---

/** Appends normal entries; nothing of the batch is taken when it is dropped. */
export function proposeNormal(r: Raft, datas: readonly Uint8Array[]): ProposeResult {
  let payload = 0;
  for (let i = 0; i < datas.length; i++) payload += (datas[i] as Uint8Array).length;
  const reason = cannotPropose(r) ?? reserve(r, payload);
  if (reason !== undefined) return dropped(reason);
  const first = (r.log.lastIndex + 1) as Index;
  const term = r.term;
  const log = r.log;
  for (let i = 0; i < datas.length; i++) {
    const index = (first + i) as Index;
    log.push({ term, index, type: EntryType.Normal, data: datas[i] as Uint8Array });
  }
  r.appendDue = true;
  return { kind: "appended", term, first, last: log.lastIndex };
}

/** Appends one conf change, if it is the time for it. */
export function proposeConfChange(r: Raft, type: EntryType, data: Uint8Array): ProposeResult {
  const reason = cannotPropose(r) ?? confChangeObstacle(r, type, data) ?? reserve(r, data.length);
  if (reason !== undefined) return dropped(reason);
  r.appendAsLeader(type, data);
  const index = r.log.lastIndex;
  r.pendingConfIndex = index;
  return { kind: "appended", term: r.term, first: index, last: index };
}

/**
 * A proposal forwarded by a follower. A conf change that cannot be made now becomes an empty
 * entry, as in etcd: the entries around it keep their fate. False when all of it was dropped.
 */
export function proposeForwarded(r: Raft, entries: readonly Entry[]): boolean {
  let payload = 0;
  for (const e of entries) payload += e.data.length;
  if (cannotPropose(r) !== undefined || reserve(r, payload) !== undefined) return false;
  for (const { type, data } of entries) {
    if (type === EntryType.Normal) {
      r.appendAsLeader(type, data);
      continue;
    }
    const obstacle = confChangeObstacle(r, type, data);
    if (obstacle === undefined) {
      r.appendAsLeader(type, data);
      r.pendingConfIndex = r.log.lastIndex;
    } else {
      r.note("refused a forwarded conf change", { obstacle });
      r.appendAsLeader(EntryType.Normal, emptyBytes);
    }
  }
  return true;
}

function cannotPropose(r: Raft): DropReason | undefined {
  if (r.tracker.get(r.id) === undefined) return "notMember";
  return r.leadTransferee !== noMember ? "leaderTransfer" : undefined;
}

/**
 * Accounts for a proposal. An empty tail takes any size, and an empty payload is never refused:
 * a new leader's first entry and the leaving of a joint configuration must get in.
 */
function reserve(r: Raft, payload: number): DropReason | undefined {
  const total = r.uncommittedBytes + payload;
  if (r.uncommittedBytes > 0 && payload > 0 && total > r.limits.maxUncommittedBytes) {
    return "uncommittedLimit";
  }
  r.uncommittedBytes = total;
  return undefined;
}

/**
 * One conf change at a time (thesis 4.1): since all earlier ones are applied, the configuration
 * it will meet when applied is the present one, so what it would do is known now.
 */
function confChangeObstacle(r: Raft, type: EntryType, data: Uint8Array): DropReason | undefined {
  if (r.pendingConfIndex > r.log.applied) return "confChangePending";
  const cc = r.decodeConfChange(type, data);
  if (cc === undefined) return "confChangeInvalid";
  const joint = isJoint(r.tracker.config);
  if (joint && !leavesJoint(cc)) return "mustLeaveJoint";
  if (!joint && leavesJoint(cc)) return "notJoint";
  return changeConfiguration(r.tracker.config, cc).ok ? undefined : "confChangeInvalid";
}

// --- what is durable and applied here ---

/** The leader's own log is durable further: it counts like a follower's acknowledgement. */
export function acknowledgeSelf(r: Raft): void {
  if (r.state !== "leader") return;
  if (r.tracker.get(r.id)?.maybeUpdate(r.log.stable)) commitAndRelease(r);
}

/** The state machine has applied up to `index`. */
export function appliedTo(r: Raft, index: Index): void {
  const payload = r.log.appliedTo(index);
  r.uncommittedBytes = Math.max(0, r.uncommittedBytes - payload);
  const leaves = r.tracker.config.autoLeave && r.log.applied >= r.pendingConfIndex;
  if (leaves && r.state === "leader") {
    // May be dropped while a transfer is going on; tried again at the next applied entry.
    proposeConfChange(r, EntryType.ConfChangeV2, emptyBytes);
  }
  r.trimLog();
}

/** A conf change is applied here. */
export function applyConfChange(r: Raft, cc: ConfChangeV2): ConfState {
  const result = changeConfiguration(r.tracker.config, cc);
  if (result.ok) switchTo(r, result.config);
  else r.note("ignored a committed conf change", { reason: result.reason });
  return toConfState(r.tracker.config);
}

function switchTo(r: Raft, config: Configuration): void {
  r.switchConfiguration(config);
  if (r.state !== "leader") return;
  // Not at once: the others must still hear that the change is committed. Of two voters the one
  // that stays could otherwise never win without us.
  if (leftOffice(r)) r.electionElapsed = 0;
  if (config.voters.size === 0) return;
  // The new quorum may be smaller: more may be committed and more reads confirmed than before.
  commitAndRelease(r);
  confirmReads(r);
  r.appendDue = true;
  if (r.leadTransferee !== noMember && !r.tracker.isVoter(r.leadTransferee)) {
    r.leadTransferee = noMember;
  }
}

/** This leader was removed or made a learner. */
export const leftOffice = (r: Raft): boolean => r.tracker.get(r.id)?.isLearner ?? true;

function commitAndRelease(r: Raft): void {
  if (!r.maybeCommit() || r.earlyReads.length === 0 || !r.committedInTerm()) return;
  const waiting = r.earlyReads;
  r.earlyReads = [];
  for (const m of waiting) startRead(r, m);
}

// --- messages from followers ---

export function handleAppendResponse(r: Raft, pr: Progress, m: Message): void {
  pr.recentActive = true;
  if (m.reject) {
    // The follower's term at the hint tells where to look: everything above with a higher term
    // of ours cannot match (see findConflictByTerm).
    const hint =
      m.logTerm > 0 ? r.log.findConflictByTerm(m.rejectHint, m.logTerm).index : m.rejectHint;
    if (!pr.maybeDecrease(m.index, hint)) return;
    if (pr.state === "replicate") pr.becomeProbe();
    r.maybeSendAppend(pr, true);
    return;
  }
  // An acknowledgement of what we knew already still ends a probe: the logs do meet there.
  const probed = pr.state === "probe" && pr.match === m.index;
  if (m.index > r.log.lastIndex || !(pr.maybeUpdate(m.index) || probed)) return;
  if (pr.state === "probe") {
    pr.becomeReplicate();
  } else if (pr.state === "snapshot") {
    // Whatever snapshot it installed: what counts is that our log goes on from there.
    if (pr.match + 1 >= r.log.firstIndex) {
      pr.becomeProbe();
      pr.becomeReplicate();
    }
  } else {
    pr.inflights.freeUpTo(m.index);
  }
  commitAndRelease(r);
  r.appendDue = true;
  if (m.from === r.leadTransferee && pr.match === r.log.lastIndex) sendTimeoutNow(r, m.from);
}

export function handleHeartbeatResponse(r: Raft, pr: Progress, m: Message): void {
  pr.recentActive = true;
  pr.flowPaused = false;
  if (pr.match < r.log.lastIndex || pr.state === "probe") r.maybeSendAppend(pr, true);
  if (m.context.length === 0) return;
  r.reads.acknowledge(m.from, m.context);
  confirmReads(r);
}

/** The server's word on a snapshot it sent; also waits for an answer before sending more. */
export function snapshotReported(r: Raft, id: MemberId, ok: boolean): void {
  const pr = r.tracker.get(id);
  if (r.state !== "leader" || pr?.state !== "snapshot") return;
  if (!ok) pr.pendingSnapshot = 0 as Index;
  pr.becomeProbe();
  pr.flowPaused = true;
  r.trimLog();
}

/** A message to it was probably lost: stop sending ahead of acknowledgements. */
export function unreachable(r: Raft, id: MemberId): void {
  const pr = r.tracker.get(id);
  if (r.state === "leader" && pr?.state === "replicate") pr.becomeProbe();
}

// --- quorum ---

/** Once per election timeout: a leader without a quorum leaves office (thesis 6.2). */
export function checkQuorum(r: Raft): void {
  if (!r.tracker.quorumActive()) {
    r.note("stepped down: no quorum was heard from", {});
    r.becomeFollower(r.term, noMember);
    return;
  }
  for (const pr of r.tracker.members) if (pr.id !== r.id) pr.recentActive = false;
}

// --- leader transfer ---

/** Hands leadership to `to` when its log is complete; aborted after an election timeout. */
export function transferTo(r: Raft, to: MemberId): void {
  const pr = r.tracker.get(to);
  if (pr === undefined || pr.isLearner || to === r.leadTransferee) return;
  r.leadTransferee = noMember;
  if (to === r.id) return;
  r.note("transferring leadership", { to: hexId(to) });
  r.electionElapsed = 0;
  r.leadTransferee = to;
  if (pr.match === r.log.lastIndex) sendTimeoutNow(r, to);
  else r.maybeSendAppend(pr, true);
}

function sendTimeoutNow(r: Raft, to: MemberId): void {
  r.send(r.message(MessageType.MsgTimeoutNow, to));
}

// --- reads ---

/** A ReadIndex request, of ours or forwarded; false when too many wait. */
export function requestRead(r: Raft, m: Message): boolean {
  if (r.earlyReads.length + r.reads.waiting >= r.limits.maxPendingReads) return false;
  // Before the first commit of the term our commit index may be behind what was acknowledged by
  // earlier leaders (thesis 6.4); this holds for a cluster of one as well.
  if (r.committedInTerm()) startRead(r, m);
  else r.earlyReads.push(m);
  return true;
}

/** Alone (or a quorum by itself) the answer is there at once; else a round of heartbeats asks. */
function startRead(r: Raft, m: Message): void {
  r.reads.add(r.log.committed, m);
  const context = r.reads.heartbeatContext();
  if (context !== undefined) r.reads.acknowledge(r.id, context);
  confirmReads(r);
  if (r.reads.waiting > 0) r.heartbeatDue = true;
}

function confirmReads(r: Raft): void {
  for (const read of r.reads.advance(r.tracker)) answerRead(r, read.request, read.index);
}

function answerRead(r: Raft, request: Message, index: Index): void {
  if (request.from === r.id) {
    r.readStates.push({ index, context: (request.entries[0] as Entry).data });
    return;
  }
  const m = r.message(MessageType.MsgReadIndexResp, request.from);
  m.index = index;
  m.entries = request.entries;
  r.send(m);
}

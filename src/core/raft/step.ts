import { assertNever } from "../../lib/assert.ts";
import { type MemberId, noMember } from "../types.ts";
import {
  handleVoteRequest,
  handleVoteResponse,
  hup,
  ignoredForLease,
  refusePreVote,
} from "./election.ts";
import {
  followLeader,
  forward,
  handleAppend,
  handleHeartbeat,
  handleSnapshot,
} from "./follower.ts";
import {
  checkQuorum,
  handleAppendResponse,
  handleHeartbeatResponse,
  leftOffice,
  proposeForwarded,
  requestRead,
  transferTo,
} from "./leader.ts";
import type { Raft } from "./raft.ts";
import type { StepResult } from "./ready.ts";
import { type Entry, type Message, MessageType } from "./types.ts";

/** One tick of time. */
export function tick(r: Raft): void {
  r.electionElapsed++;
  if (r.state !== "leader") {
    if (r.promotable && r.electionElapsed >= r.randomizedTimeout) {
      r.electionElapsed = 0;
      hup(r, r.limits.preVote ? "preVote" : "election");
    }
    return;
  }
  r.heartbeatElapsed++;
  if (r.electionElapsed >= r.limits.electionTicks) {
    r.electionElapsed = 0;
    if (r.limits.stepDownOnRemoval && leftOffice(r)) r.becomeFollower(r.term, noMember);
    else if (r.limits.checkQuorum) checkQuorum(r);
    // A transfer that did not succeed within an election timeout is given up.
    r.leadTransferee = noMember;
  }
  if (r.state === "leader" && r.heartbeatElapsed >= r.limits.heartbeatTicks) {
    r.heartbeatElapsed = 0;
    r.broadcastHeartbeat();
  }
}

/** A message from a peer, or our own vote coming back from the disk. */
export function step(r: Raft, m: Message): StepResult {
  if (isLocal(m)) return "local";
  if (isResponse(m.type) && m.from !== r.id && r.tracker.get(m.from) === undefined) {
    return "unknownPeer";
  }
  if (m.term > r.term) {
    if (ignoredForLease(r, m)) return "ok";
    adoptTerm(r, m);
  } else if (m.term < r.term && m.term !== 0) {
    answerOldTerm(r, m);
    return "ok";
  }
  return dispatch(r, m);
}

/** A message of a later term (paper 5.1). */
function adoptTerm(r: Raft, m: Message): void {
  // A pre-vote asks about a term that nobody is in yet; when granted, it comes back with it.
  if (m.type === MessageType.MsgPreVote) return;
  if (m.type === MessageType.MsgPreVoteResp && !m.reject) return;
  r.becomeFollower(m.term, isFromLeader(m.type) ? m.from : noMember);
}

/**
 * A message of an earlier term is void. But with checkQuorum or preVote a deposed leader, or a
 * member that waits for votes, learns of our term from no one else than us.
 */
function answerOldTerm(r: Raft, m: Message): void {
  const strict = r.limits.checkQuorum || r.limits.preVote;
  if (strict && (m.type === MessageType.MsgHeartbeat || m.type === MessageType.MsgApp)) {
    r.send(r.message(MessageType.MsgAppResp, m.from));
  } else if (m.type === MessageType.MsgPreVote) {
    refusePreVote(r, m.from);
  }
}

function dispatch(r: Raft, m: Message): StepResult {
  switch (m.type) {
    case MessageType.MsgVote:
    case MessageType.MsgPreVote:
      handleVoteRequest(r, m);
      return "ok";
    case MessageType.MsgVoteResp:
    case MessageType.MsgPreVoteResp:
      if (r.state === "candidate" || r.state === "preCandidate") handleVoteResponse(r, m);
      return "ok";
    case MessageType.MsgApp:
    case MessageType.MsgHeartbeat:
    case MessageType.MsgSnap:
      fromLeader(r, m);
      return "ok";
    case MessageType.MsgAppResp:
    case MessageType.MsgHeartbeatResp:
      toLeader(r, m);
      return "ok";
    case MessageType.MsgProp:
      return proposal(r, m);
    case MessageType.MsgReadIndex:
      return readRequest(r, m);
    case MessageType.MsgReadIndexResp:
      if (r.state === "follower" && m.entries.length === 1) {
        r.readStates.push({ index: m.index, context: (m.entries[0] as Entry).data });
      }
      return "ok";
    case MessageType.MsgTransferLeader:
      transferRequest(r, m.from);
      return "ok";
    case MessageType.MsgTimeoutNow:
      // The leader told us to take over: no pre-vote, and leases do not bind (thesis 3.10).
      if (r.state === "follower") hup(r, "transfer");
      return "ok";
    case MessageType.MsgHup:
    case MessageType.MsgBeat:
    case MessageType.MsgUnreachable:
    case MessageType.MsgSnapStatus:
    case MessageType.MsgCheckQuorum:
    case MessageType.MsgStorageAppend:
    case MessageType.MsgStorageAppendResp:
    case MessageType.MsgStorageApply:
    case MessageType.MsgStorageApplyResp:
    case MessageType.MsgForgetLeader:
      return "local";
    default:
      return assertNever(m.type);
  }
}

function fromLeader(r: Raft, m: Message): void {
  if (r.state === "leader") {
    r.note("ignored a message of a second leader of our term", { from: m.from });
    return;
  }
  followLeader(r, m.from);
  if (m.type === MessageType.MsgApp) handleAppend(r, m);
  else if (m.type === MessageType.MsgHeartbeat) handleHeartbeat(r, m);
  else handleSnapshot(r, m);
}

function toLeader(r: Raft, m: Message): void {
  const pr = r.tracker.get(m.from);
  if (r.state !== "leader" || pr === undefined) return;
  if (m.type === MessageType.MsgAppResp) handleAppendResponse(r, pr, m);
  else handleHeartbeatResponse(r, pr, m);
}

function proposal(r: Raft, m: Message): StepResult {
  if (m.entries.length === 0) return "dropped";
  if (r.state === "leader") return proposeForwarded(r, m.entries) ? "ok" : "dropped";
  const passOn = r.state === "follower" && r.limits.forwardProposals && r.leader !== m.from;
  return passOn && forward(r, m) ? "ok" : "dropped";
}

function readRequest(r: Raft, m: Message): StepResult {
  if (m.entries.length !== 1) return "dropped";
  if (r.state === "leader") return requestRead(r, m) ? "ok" : "dropped";
  return r.state === "follower" && r.leader !== m.from && forward(r, m) ? "ok" : "dropped";
}

/** A wish to hand leadership to `to`; a follower passes it on to the leader. */
export function transferRequest(r: Raft, to: MemberId): void {
  if (r.state === "leader") {
    transferTo(r, to);
  } else if (r.state === "follower" && r.leader !== noMember) {
    // By custom of the protocol the sender of this message is the target.
    const m = r.message(MessageType.MsgTransferLeader, r.leader);
    m.from = to;
    r.send(m);
  }
}

const isFromLeader = (type: MessageType): boolean =>
  type === MessageType.MsgApp || type === MessageType.MsgHeartbeat || type === MessageType.MsgSnap;

const isResponse = (type: MessageType): boolean =>
  type === MessageType.MsgAppResp ||
  type === MessageType.MsgVoteResp ||
  type === MessageType.MsgPreVoteResp ||
  type === MessageType.MsgHeartbeatResp ||
  type === MessageType.MsgReadIndexResp;

/** Only requests to a leader come without a term; the message types of the local machine never. */
const isLocal = (m: Message): boolean =>
  m.term === 0 && m.type !== MessageType.MsgProp && m.type !== MessageType.MsgReadIndex;

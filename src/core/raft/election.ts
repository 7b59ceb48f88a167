import { emptyBytes, equalBytes, fromLatin1 } from "../../lib/bytes.ts";
import { hexId, type MemberId, noMember, type Term } from "../types.ts";
import { unknownTerm } from "./log.ts";
import type { Raft } from "./raft.ts";
import { type LogPosition, type Message, MessageType } from "./types.ts";

/** preVote asks first; transfer is a vote that does not respect leases, ordered by the leader. */
export type Campaign = "preVote" | "election" | "transfer";

/** Context of vote requests after a leader transfer (etcd's wire value). */
const transferContext = fromLatin1("CampaignTransfer");

/** The election timeout passed, or we were told to: stand for election if we may. */
export function hup(r: Raft, kind: Campaign): void {
  if (r.state === "leader") return;
  if (!r.promotable) {
    r.note("cannot campaign: not promotable", {});
    return;
  }
  // A committed conf change that we have not applied could make our idea of a quorum wrong.
  if (r.log.hasUnappliedConfChange()) {
    r.note("cannot campaign: a conf change is not applied", { commit: r.log.committed });
    return;
  }
  campaign(r, kind);
}

export function campaign(r: Raft, kind: Campaign): void {
  let type: MessageType;
  let term: Term;
  if (kind === "preVote") {
    r.becomePreCandidate();
    type = MessageType.MsgPreVote;
    // Asked for the term that a real campaign would have.
    term = (r.term + 1) as Term;
  } else {
    r.becomeCandidate();
    type = MessageType.MsgVote;
    term = r.term;
  }
  for (const id of r.tracker.voterIds()) {
    const m = r.message(id === r.id ? responseOf(type) : type, id);
    m.term = term;
    if (id !== r.id) {
      m.index = r.log.lastIndex;
      m.logTerm = r.log.lastTerm;
      m.context = kind === "transfer" ? transferContext : emptyBytes;
      m.committed = newestCommitted(r);
    }
    r.send(m);
  }
}

/**
 * True when a vote request must not even be looked at: we hear from a live leader, so somebody
 * who does not must be cut off or removed (thesis 4.2.3).
 */
export function ignoredForLease(r: Raft, m: Message): boolean {
  if (m.type !== MessageType.MsgVote && m.type !== MessageType.MsgPreVote) return false;
  if (equalBytes(m.context, transferContext)) return false;
  return (
    r.limits.checkQuorum && r.leader !== noMember && r.electionElapsed < r.limits.electionTicks
  );
}

/** Answers a vote or pre-vote request of our term or, for a pre-vote, of a later one. */
export function handleVoteRequest(r: Raft, m: Message): void {
  const canVote =
    r.vote === m.from ||
    (r.vote === noMember && r.leader === noMember) ||
    (m.type === MessageType.MsgPreVote && m.term > r.term);
  // A learner votes as well: it may have been promoted without knowing yet, and the candidate's
  // quorum may need it.
  const granted = canVote && r.log.isUpToDate(m.index, m.logTerm);
  const response = r.message(responseOf(m.type), m.from);
  // A granted pre-vote speaks of the future term, else the asker would take it for an old one.
  response.term = granted ? m.term : r.term;
  response.reject = !granted;
  if (!granted) {
    learnCommitted(r, m);
    response.committed = newestCommitted(r);
  }
  r.send(response);
  r.note(granted ? "granted a vote" : "refused a vote", {
    pre: m.type === MessageType.MsgPreVote,
    candidate: hexId(m.from),
    candidateTerm: m.term,
    candidateLog: [m.logTerm, m.index],
    log: [r.log.lastTerm, r.log.lastIndex],
  });
  if (granted && m.type === MessageType.MsgVote) {
    r.electionElapsed = 0;
    r.vote = m.from;
  }
}

/** A pre-vote request of an earlier term: refused with our term, so that the asker catches up. */
export function refusePreVote(r: Raft, to: MemberId): void {
  const response = r.message(MessageType.MsgPreVoteResp, to);
  response.reject = true;
  r.send(response);
}

/** Counts an answer to the campaign under way. */
export function handleVoteResponse(r: Raft, m: Message): void {
  const wanted = r.state === "preCandidate" ? MessageType.MsgPreVoteResp : MessageType.MsgVoteResp;
  // As candidate, late answers to our own pre-vote may still come in.
  if (m.type !== wanted) return;
  if (m.reject && learnCommitted(r, m) && r.state === "follower") return;
  r.tracker.recordVote(m.from, !m.reject);
  switch (r.tracker.tallyVotes()) {
    case "won":
      if (r.state === "preCandidate") campaign(r, "election");
      else r.becomeLeader();
      break;
    case "lost":
      r.becomeFollower(r.term, noMember);
      break;
    case "pending":
      break;
  }
}

/**
 * Configurations change when they are applied, so two members may each wait for the other: one
 * that knows of a committed change but may not lead under it (it became a learner), and one that
 * may, but has the shorter log and cannot win under the configuration it still believes in. The
 * same with a learner whose promotion only a voter behind it knows of. Nobody leads who could say
 * what is committed, so it travels with votes (etcd-io/etcd#12359; raft-rs does likewise).
 */
const newestCommitted = (r: Raft): LogPosition | undefined => {
  const term = r.log.termAt(r.log.committed);
  return term === unknownTerm ? undefined : { index: r.log.committed, term };
};

/**
 * True when the sender knows an entry of ours to be committed that we did not. A leader need not be
 * told: it counts.
 */
function learnCommitted(r: Raft, m: Message): boolean {
  const known = m.committed;
  if (r.state === "leader" || known === undefined || known.index <= r.log.committed) return false;
  if (!r.log.matches(known.index, known.term)) return false;
  r.log.commitTo(known.index);
  r.note("learned from a vote what is committed", { from: hexId(m.from), commit: known.index });
  // The votes of a campaign under way may be of the wrong members.
  if (r.state !== "follower" && r.log.hasUnappliedConfChange()) r.becomeFollower(r.term, noMember);
  return true;
}

const responseOf = (type: MessageType): MessageType =>
  type === MessageType.MsgVote ? MessageType.MsgVoteResp : MessageType.MsgPreVoteResp;

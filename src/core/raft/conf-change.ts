import type { MemberId } from "../types.ts";
import {
  type ConfChange,
  type ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  type ConfChangeV2,
  type ConfState,
} from "./types.ts";

/**
 * The members and what they may do. While `outgoing` is not empty the configuration is joint:
 * every decision needs a majority of both. Invariants: learners are disjoint from both halves;
 * learnersNext is part of outgoing; not joint means learnersNext empty and autoLeave false.
 */
export interface Configuration {
  readonly voters: ReadonlySet<MemberId>;
  readonly outgoing: ReadonlySet<MemberId>;
  readonly learners: ReadonlySet<MemberId>;
  /** Voters of the outgoing half that become learners when it is left. */
  readonly learnersNext: ReadonlySet<MemberId>;
  readonly autoLeave: boolean;
}

type Result =
  | { readonly ok: true; readonly config: Configuration }
  | { readonly ok: false; readonly reason: string };

interface Draft {
  voters: Set<MemberId>;
  outgoing: Set<MemberId>;
  learners: Set<MemberId>;
  learnersNext: Set<MemberId>;
  autoLeave: boolean;
}

/** The simple change as the general one (raftpb.ConfChange.AsV2). */
export function asConfChangeV2(cc: ConfChange): ConfChangeV2 {
  return {
    transition: ConfChangeTransition.Auto,
    changes: [{ type: cc.type, nodeId: cc.nodeId }],
    context: cc.context,
  };
}

/** No changes and no explicit transition: the wish to leave a joint configuration. */
export const leavesJoint = (cc: ConfChangeV2): boolean =>
  cc.transition === ConfChangeTransition.Auto && cc.changes.length === 0;

/** More than one change, or asked for: goes through a joint configuration. */
export const entersJoint = (cc: ConfChangeV2): boolean =>
  cc.transition !== ConfChangeTransition.Auto || cc.changes.length > 1;

export const isJoint = (c: Configuration): boolean => c.outgoing.size > 0;

/**
 * The configuration after a change (raft thesis 4.1, 4.3). Pure; `config` stays as it is.
 * Behaviour: etcd raft confchange/confchange.go.
 */
export function changeConfiguration(config: Configuration, cc: ConfChangeV2): Result {
  if (leavesJoint(cc)) return leaveJoint(config);
  if (entersJoint(cc)) return enterJoint(config, cc);
  if (isJoint(config)) return refuse("a simple change cannot be made in a joint configuration");
  const draft = draftOf(config);
  const reason = applyChanges(draft, cc.changes);
  if (reason !== undefined) return refuse(reason);
  if (difference(config.voters, draft.voters) > 1) {
    return refuse("more than one voter would change without a joint configuration");
  }
  return { ok: true, config: draft };
}

function enterJoint(config: Configuration, cc: ConfChangeV2): Result {
  if (isJoint(config)) return refuse("the configuration is already joint");
  if (config.voters.size === 0) return refuse("a configuration without voters cannot become joint");
  const draft = draftOf(config);
  draft.outgoing = new Set(config.voters);
  const reason = applyChanges(draft, cc.changes);
  if (reason !== undefined) return refuse(reason);
  draft.autoLeave = cc.transition !== ConfChangeTransition.JointExplicit;
  return { ok: true, config: draft };
}

function leaveJoint(config: Configuration): Result {
  if (!isJoint(config)) return refuse("the configuration is not joint");
  const draft = draftOf(config);
  for (const id of draft.learnersNext) draft.learners.add(id);
  draft.learnersNext = new Set();
  draft.outgoing = new Set();
  draft.autoLeave = false;
  return { ok: true, config: draft };
}

function applyChanges(draft: Draft, changes: readonly ConfChangeSingle[]): string | undefined {
  for (const { type, nodeId } of changes) {
    // etcd zeroes the id of a change that its membership refused after commit: no effect.
    if (nodeId === 0n) continue;
    switch (type) {
      case ConfChangeType.AddNode:
        draft.learners.delete(nodeId);
        draft.learnersNext.delete(nodeId);
        draft.voters.add(nodeId);
        break;
      case ConfChangeType.AddLearnerNode:
        if (draft.learners.has(nodeId) || draft.learnersNext.has(nodeId)) break;
        draft.voters.delete(nodeId);
        // A voter of the outgoing half cannot be a learner at the same time.
        (draft.outgoing.has(nodeId) ? draft.learnersNext : draft.learners).add(nodeId);
        break;
      case ConfChangeType.RemoveNode:
        draft.voters.delete(nodeId);
        draft.learners.delete(nodeId);
        draft.learnersNext.delete(nodeId);
        break;
      case ConfChangeType.UpdateNode:
        break;
      default:
        // Data from a newer member: refused, not a bug of ours.
        return `conf change type ${String(type satisfies never)} is unknown`;
    }
  }
  return draft.voters.size === 0 ? "no voter would be left" : undefined;
}

/** The configuration a ConfState describes. */
export function fromConfState(cs: ConfState): Configuration {
  return {
    voters: new Set(cs.voters),
    outgoing: new Set(cs.votersOutgoing),
    learners: new Set(cs.learners),
    learnersNext: new Set(cs.learnersNext),
    autoLeave: cs.autoLeave,
  };
}

/** Sorted by id. */
export function toConfState(c: Configuration): ConfState {
  return {
    voters: sortedIds(c.voters),
    learners: sortedIds(c.learners),
    votersOutgoing: sortedIds(c.outgoing),
    learnersNext: sortedIds(c.learnersNext),
    autoLeave: c.autoLeave,
  };
}

/** Undefined when the configuration is well-formed, else the broken rule. */
export function configurationFault(c: Configuration): string | undefined {
  for (const id of c.learners) {
    if (c.voters.has(id)) return `${id} is a learner and a voter`;
    if (c.outgoing.has(id)) return `${id} is a learner and an outgoing voter`;
  }
  for (const id of c.learnersNext) {
    if (!c.outgoing.has(id)) return `${id} is a next learner but not an outgoing voter`;
    if (c.voters.has(id)) return `${id} is a next learner and an incoming voter`;
  }
  if (!isJoint(c) && c.autoLeave) return "autoLeave is set outside a joint configuration";
  return undefined;
}

export const sortedIds = (ids: Iterable<MemberId>): MemberId[] =>
  [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));

function draftOf(c: Configuration): Draft {
  return {
    voters: new Set(c.voters),
    outgoing: new Set(c.outgoing),
    learners: new Set(c.learners),
    learnersNext: new Set(c.learnersNext),
    autoLeave: c.autoLeave,
  };
}

function difference(a: ReadonlySet<MemberId>, b: ReadonlySet<MemberId>): number {
  let n = 0;
  for (const id of a) if (!b.has(id)) n++;
  for (const id of b) if (!a.has(id)) n++;
  return n;
}

const refuse = (reason: string): Result => ({ ok: false, reason });

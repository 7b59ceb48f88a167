import { assert } from "../../lib/assert.ts";
import { fromLatin1 } from "../../lib/bytes.ts";
import type { ClusterId, MemberId } from "../types.ts";
import { clusterId, hexId } from "../types.ts";
import type { MembershipError } from "./errors.ts";
import { membershipError } from "./errors.ts";
import type { ConfigChangeContext } from "./json.ts";
import {
  decodeContext,
  decodeDowngrade,
  decodeMember,
  encodeDowngrade,
  encodeMemberContext,
} from "./json.ts";
import type { Attributes, Member, Sha1 } from "./member.ts";
import { byId, computeClusterId, computeMemberId } from "./member.ts";
import type { Result, UrlsMap } from "./urls.ts";
import { type Downgrade, noDowngrade } from "./version.ts";

/** raftpb.ConfChangeType; the same numbers as core/raft's. */
const Change = { addNode: 0, removeNode: 1, updateNode: 2, addLearnerNode: 3 } as const;

/** A conf change as the log carries it; core/raft's ConfChange fits. */
export interface ConfChangeRecord {
  readonly id: bigint;
  readonly type: number;
  readonly nodeId: MemberId;
  readonly context: Uint8Array;
}

/** Buckets of etcd's backend that hold the membership (storage/schema/membership.go). */
export type MembershipBucket = "members" | "members_removed" | "cluster";

/** One row to persist; `value` undefined deletes it. Keys are etcd's: lower-case hex ids. */
export interface MembershipRow {
  readonly bucket: MembershipBucket;
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** What a conf change did; the caller persists `rows` and tells its transport. */
export interface MembershipEffect {
  readonly kind: "added" | "promoted" | "removed" | "updated" | "ignored";
  readonly id: MemberId;
  /** The member after the change; undefined when removed or ignored. */
  readonly member: Member | undefined;
  readonly rows: readonly MembershipRow[];
}

/** Everything a Cluster needs to come back; all of it stands in the rows. */
export interface ClusterState {
  readonly clusterId: ClusterId;
  readonly members: readonly Member[];
  readonly removed: readonly MemberId[];
  /** `X.Y.0`, undefined while undecided. */
  readonly clusterVersion: string | undefined;
  /** Undefined: there was never one. */
  readonly downgrade?: Downgrade | undefined;
}

export interface ClusterOptions {
  /** `--max-learners`; 1 by default. */
  readonly maxLearners?: number;
}

/**
 * The members of one cluster as the applied log says (etcd membership/cluster.go). Pure: changes
 * return the rows to persist, within the batch of the entry that made them. Never throws for a
 * refused change; throws AssertionError where etcd panics (a broken log).
 */
export class Cluster {
  #clusterId: ClusterId;
  /** What we tell about: applied members and, before the log is replayed, expected ones. */
  readonly #members = new Map<MemberId, Member>();
  /** What the log (or a snapshot) brought; conf changes are checked against these alone. */
  readonly #applied = new Map<MemberId, Member>();
  /** Ids that left; they never come back. */
  readonly #removed = new Set<MemberId>();
  #clusterVersion: string | undefined;
  #downgrade: Downgrade | undefined;
  readonly #maxLearners: number;

  /**
   * `expected`: the members are known from flags or a running cluster and not yet from the log.
   * They are listed, yet the log's own additions of them pass the checks and only what was
   * applied makes rows (etcd keeps the same two: memory and backend).
   */
  constructor(state: ClusterState, options: ClusterOptions & { expected?: boolean } = {}) {
    this.#clusterId = state.clusterId;
    for (const m of state.members) {
      this.#members.set(m.id, m);
      if (options.expected !== true) this.#applied.set(m.id, m);
    }
    for (const id of state.removed) this.#removed.add(id);
    this.#clusterVersion = state.clusterVersion;
    this.#downgrade = state.downgrade;
    this.#maxLearners = options.maxLearners ?? 1;
  }

  get clusterId(): ClusterId {
    return this.#clusterId;
  }

  /** `X.Y.0`, undefined while undecided. */
  get clusterVersion(): string | undefined {
    return this.#clusterVersion;
  }

  get downgrade(): Downgrade {
    return this.#downgrade ?? noDowngrade;
  }

  get maxLearners(): number {
    return this.#maxLearners;
  }

  /** All members, ascending by unsigned id. */
  members(): Member[] {
    return [...this.#members.values()].sort(byId);
  }

  votingMembers(): Member[] {
    return this.members().filter((m) => !m.isLearner);
  }

  member(id: MemberId): Member | undefined {
    return this.#members.get(id);
  }

  memberByName(name: string): Member | undefined {
    return this.members().find((m) => m.name === name);
  }

  isRemoved(id: MemberId): boolean {
    return this.#removed.has(id);
  }

  /** Ids of removed members, ascending. */
  removedIds(): MemberId[] {
    return [...this.#removed].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  /** Client URLs of all members, sorted. */
  clientURLs(): string[] {
    return this.members()
      .flatMap((m) => m.clientURLs)
      .sort();
  }

  state(): ClusterState {
    return {
      clusterId: this.#clusterId,
      members: this.members(),
      removed: this.removedIds(),
      clusterVersion: this.#clusterVersion,
      downgrade: this.#downgrade,
    };
  }

  /** The rows of all that was applied, e.g. for a snapshot. */
  rows(): MembershipRow[] {
    const rows = [...this.#applied.values()].sort(byId).map(memberRow);
    for (const id of this.removedIds()) rows.push(removedRow(id));
    if (this.#clusterVersion !== undefined) rows.push(clusterVersionRow(this.#clusterVersion));
    if (this.#downgrade !== undefined) rows.push(downgradeRow(this.#downgrade));
    return rows;
  }

  /**
   * Checks a committed conf change against the members in force. A refused one is applied to
   * Raft as a change of node 0 (nothing), and its proposer gets the error.
   */
  validateConfChange(change: ConfChangeRecord): MembershipError | undefined {
    if (this.#removed.has(change.nodeId)) return membershipError("idRemoved");
    const present = this.#applied.get(change.nodeId);
    switch (change.type) {
      case Change.addNode:
      case Change.addLearnerNode: {
        const context = contextOf(change);
        return context.isPromote
          ? validatePromote(present)
          : this.#validateAdd(change, present, context.member);
      }
      case Change.removeNode:
        return present === undefined ? membershipError("idNotFound") : undefined;
      case Change.updateNode:
        if (present === undefined) return membershipError("idNotFound");
        return this.#checkUrls(contextOf(change).member.peerURLs, change.nodeId);
      default:
        assert(false, `unknown ConfChange type ${change.type}`);
    }
  }

  /** Applies a conf change that validateConfChange let pass. */
  applyConfChange(change: ConfChangeRecord): MembershipEffect {
    switch (change.type) {
      case Change.addNode:
      case Change.addLearnerNode: {
        const { member, isPromote } = contextOf(change);
        assert(member.id === change.nodeId, "got different member ID");
        if (isPromote) return this.#promote(member.id);
        return this.#save("added", member);
      }
      case Change.removeNode:
        return this.#remove(change.nodeId);
      case Change.updateNode: {
        const { member } = contextOf(change);
        assert(member.id === change.nodeId, "got different member ID");
        const old = this.#members.get(member.id);
        if (old === undefined) return ignored(member.id);
        // An update changes peer URLs and nothing else.
        return this.#save("updated", { ...old, peerURLs: member.peerURLs });
      }
      default:
        assert(false, `unknown ConfChange type ${change.type}`);
    }
  }

  /** Applies ClusterMemberAttrSet: a started member publishes its name and client URLs. */
  setAttributes(id: MemberId, attributes: Attributes): MembershipEffect {
    const old = this.#members.get(id);
    if (old === undefined) {
      assert(this.#removed.has(id), `failed to update; member ${hexId(id)} unknown`);
      return ignored(id);
    }
    return this.#save("updated", {
      ...old,
      name: attributes.name,
      clientURLs: [...attributes.clientURLs],
    });
  }

  /** Applies ClusterVersionSet; `version` is `X.Y.0`. */
  setClusterVersion(version: string): readonly MembershipRow[] {
    this.#clusterVersion = version;
    return [clusterVersionRow(version)];
  }

  /** Applies DowngradeInfoSet. */
  setDowngrade(downgrade: Downgrade): readonly MembershipRow[] {
    this.#downgrade = downgrade;
    return [downgradeRow(downgrade)];
  }

  /** Takes over the members that an installed snapshot brings. */
  replace(state: ClusterState): void {
    this.#clusterId = state.clusterId;
    this.#members.clear();
    this.#applied.clear();
    this.#removed.clear();
    for (const m of state.members) {
      this.#members.set(m.id, m);
      this.#applied.set(m.id, m);
    }
    for (const id of state.removed) this.#removed.add(id);
    this.#clusterVersion = state.clusterVersion;
    this.#downgrade = state.downgrade;
  }

  #validateAdd(
    change: ConfChangeRecord,
    present: Member | undefined,
    member: Member,
  ): MembershipError | undefined {
    if (present !== undefined) return membershipError("idExists");
    const urls = this.#checkUrls(member.peerURLs, undefined);
    if (urls !== undefined) return urls;
    if (!member.isLearner || change.type !== Change.addLearnerNode) return undefined;
    return checkMaxLearners(this.#maxLearners, [...this.#applied.values()], 1);
  }

  #checkUrls(urls: readonly string[], except: MemberId | undefined): MembershipError | undefined {
    for (const m of this.#applied.values()) {
      if (m.id === except) continue;
      if (urls.some((u) => m.peerURLs.includes(u))) return membershipError("peerUrlExists");
    }
    return undefined;
  }

  #save(kind: "added" | "promoted" | "updated", member: Member): MembershipEffect {
    this.#members.set(member.id, member);
    this.#applied.set(member.id, member);
    return { kind, id: member.id, member, rows: [memberRow(member)] };
  }

  #promote(id: MemberId): MembershipEffect {
    const old = this.#members.get(id);
    return old === undefined ? ignored(id) : this.#save("promoted", { ...old, isLearner: false });
  }

  #remove(id: MemberId): MembershipEffect {
    const known = this.#members.delete(id);
    this.#applied.delete(id);
    this.#removed.add(id);
    const rows = [{ ...memberRowKey(id), value: undefined }, removedRow(id)];
    return { kind: known ? "removed" : "ignored", id, member: undefined, rows };
  }
}

/** Refuses more than `maxLearners` learners, counting `extra` to come. */
export function checkMaxLearners(
  maxLearners: number,
  members: readonly Member[],
  extra: number,
): MembershipError | undefined {
  const learners = members.filter((m) => m.isLearner).length + extra;
  return learners > maxLearners ? membershipError("tooManyLearners") : undefined;
}

/**
 * The cluster that `--initial-cluster` describes: ids from URLs and token, so that every member
 * computes the same (NewClusterFromURLsMap). They are expected members: the first
 * entries of the log add them. Fails when two members would share an id.
 */
export function bootstrapCluster(
  sha1: Sha1,
  token: string,
  initial: UrlsMap,
  options: ClusterOptions = {},
): Result<Cluster> {
  const members = new Map<MemberId, Member>();
  for (const [name, urls] of initial) {
    const peerURLs = urls.map((u) => u.text);
    const id = computeMemberId(sha1, peerURLs, token);
    if (members.has(id))
      return { ok: false, error: `member exists with identical ID ${hexId(id)}` };
    members.set(id, { id, name, peerURLs, clientURLs: [], isLearner: false });
  }
  const list = [...members.values()].sort(byId);
  const cid = computeClusterId(sha1, [...members.keys()]);
  const state = { clusterId: cid, members: list, removed: [], clusterVersion: undefined };
  return { ok: true, value: new Cluster(state, { ...options, expected: true }) };
}

/** A cluster that knows nothing yet, e.g. before a boot replays its log. */
export const emptyCluster = (options: ClusterOptions = {}): Cluster =>
  new Cluster(
    { clusterId: clusterId(0n), members: [], removed: [], clusterVersion: undefined },
    options,
  );

/**
 * Reads the rows of a backend back. `clusterId` does not stand in them: it comes from the WAL's
 * metadata. Fails, naming the row, on a row that is not etcd's.
 */
export function clusterFromRows(
  id: ClusterId,
  rows: Iterable<MembershipRow>,
): Result<ClusterState> {
  const members: Member[] = [];
  const removed: MemberId[] = [];
  let clusterVersion: string | undefined;
  let downgrade: Downgrade | undefined;
  for (const row of rows) {
    if (row.value === undefined) continue;
    const key = latin1(row.key);
    if (row.bucket === "members") {
      const member = decodeMember(row.value);
      if (member === undefined) return { ok: false, error: `bad row members/${key}` };
      members.push(member);
    } else if (row.bucket === "members_removed") {
      if (!/^[0-9a-f]{1,16}$/.test(key)) {
        return { ok: false, error: `bad row members_removed/${key}` };
      }
      removed.push(BigInt(`0x${key}`) as MemberId);
    } else if (key === "clusterVersion") {
      clusterVersion = latin1(row.value);
    } else if (key === "downgrade") {
      downgrade = decodeDowngrade(row.value);
      if (downgrade === undefined) return { ok: false, error: `bad row cluster/${key}` };
    }
  }
  return { ok: true, value: { clusterId: id, members, removed, clusterVersion, downgrade } };
}

function validatePromote(present: Member | undefined): MembershipError | undefined {
  if (present === undefined) return membershipError("idNotFound");
  return present.isLearner ? undefined : membershipError("memberNotLearner");
}

function contextOf(change: ConfChangeRecord): ConfigChangeContext {
  const context = decodeContext(change.context);
  assert(context !== undefined, "failed to unmarshal confChangeContext");
  return context;
}

const ignored = (id: MemberId): MembershipEffect => ({
  kind: "ignored",
  id,
  member: undefined,
  rows: [],
});

const memberRowKey = (id: MemberId): { bucket: MembershipBucket; key: Uint8Array } => ({
  bucket: "members",
  key: fromLatin1(hexId(id)),
});

const memberRow = (m: Member): MembershipRow => ({
  ...memberRowKey(m.id),
  value: encodeMemberContext(m),
});

const removedRow = (id: MemberId): MembershipRow => ({
  bucket: "members_removed",
  key: fromLatin1(hexId(id)),
  value: fromLatin1("removed"),
});

const clusterVersionRow = (version: string): MembershipRow => ({
  bucket: "cluster",
  key: fromLatin1("clusterVersion"),
  value: fromLatin1(version),
});

const downgradeRow = (d: Downgrade): MembershipRow => ({
  bucket: "cluster",
  key: fromLatin1("downgrade"),
  value: encodeDowngrade(d),
});

const latin1 = (b: Uint8Array): string => String.fromCharCode(...b);

/**
 * The parts of a member and how they call each other. Some need one another in a ring, so each is given
 * functions that look its neighbours up when they are called, never while it is made.
 */
import type { RawNode, SoftState } from "../core/raft/index.ts";
import type { ClusterId, Index, MemberId, Term } from "../core/types.ts";
import { Applier } from "./applier.ts";
import { Authority } from "./auth/index.ts";
import type { Booted } from "./boot.ts";
import { CompactionHashes } from "./compaction-hashes.ts";
import { Corruption } from "./corruption.ts";
import { Introduction } from "./introduction.ts";
import { Leadership } from "./leadership.ts";
import { Leases } from "./leases.ts";
import { kindOf, Measures } from "./measures.ts";
import { MembershipChanges } from "./membership-changes.ts";
import { type MemberOptions, type MemberPorts, requestTimeoutMs } from "./options.ts";
import { Proposals } from "./proposals.ts";
import { RaftLoop } from "./raft-loop.ts";
import { createRaftNode } from "./raft-node.ts";
import { ReadIndexRounds } from "./read-index.ts";
import { Reads } from "./reads.ts";
import { PendingRequests } from "./requests.ts";
import { Snapshots } from "./snapshots.ts";
import type { StateMachine } from "./state-machine.ts";
import type { Transport, TransportHandler } from "./transport.ts";
import { Upkeep } from "./upkeep.ts";
import { Versions } from "./versions.ts";

/** Proposals that may wait at once, and their bytes; more answer TooManyRequests. */
const pendingLimits = { count: 20_000, bytes: 128 << 20 };
/** How long a lease waits for what is committed to be applied here: etcd's applyTimeout. */
const applyTimeoutMs = 1000;

/** etcd's DefaultDowngradeCheckTime. */
/** Without the gate CompactHashCheck: a scan of this much is no burden (docs/decisions/004). */
const uncheckedRowsMax = 100_000;
const defaultDowngradeCheckMs = 5000;

/** What the parts call in the member itself. */
export interface MemberHooks extends TransportHandler {
  /** An empty entry of this term is applied: a leader has all that was committed before it. */
  onTermConfirmed(term: Term): void;
  onSoftState(state: SoftState): void;
}

export interface Parts {
  readonly id: MemberId;
  readonly clusterId: ClusterId;
  readonly options: MemberOptions;
  readonly ports: MemberPorts;
  readonly booted: Booted;
  readonly hooks: MemberHooks;
  readonly state: StateMachine;
  /** For the metrics page. */
  readonly counts: { slowReads: number; failedReads: number };
  readonly pending: PendingRequests;
  readonly measures: Measures;
  /** Gate CompactHashCheck. */
  readonly hashes: CompactionHashes;
  upkeep: Upkeep;
  applier: Applier;
  node: RawNode;
  rounds: ReadIndexRounds;
  reads: Reads;
  transport: Transport;
  leadership: Leadership;
  authority: Authority;
  proposals: Proposals;
  membership: MembershipChanges;
  leases: Leases;
  introduction: Introduction;
  versions: Versions;
  corruption: Corruption;
  snapshots: Snapshots;
  loop: RaftLoop;
}

/** All parts of a member that is booted; nothing runs yet. */
export function assemble(
  options: MemberOptions,
  ports: MemberPorts,
  booted: Booted,
  hooks: MemberHooks,
): Parts {
  const { memberId: id, clusterId, state } = booted;
  const { clock, random } = ports;
  const pending = new PendingRequests(random.bits64(), pendingLimits);
  const counts = { slowReads: 0, failedReads: 0 };
  const measures = ports.measures ?? new Measures();
  const hashes = new CompactionHashes();
  const fixed = {
    ...{ id, clusterId, options, ports, booted, hooks },
    ...{ state, counts, pending, hashes, measures },
  };
  const parts = fixed as Parts;
  parts.upkeep = createUpkeep(parts);
  parts.applier = createApplier(parts);
  parts.node = createRaftNode(id, booted.boot, options, ports);
  parts.applier.attach(parts.node);
  parts.rounds = createRounds(parts);
  parts.reads = new Reads({
    state,
    rounds: parts.rounds,
    clock,
    measures,
    crc32c: ports.crc32c,
    storageVersion: () => parts.versions.storage,
    hashes,
  });
  parts.transport = ports.createTransport({ memberId: id, clusterId }, hooks);
  parts.leadership = createLeadership(parts);
  parts.authority = createAuthority(parts);
  parts.proposals = createProposals(parts);
  parts.membership = createMembership(parts);
  parts.leases = createLeases(parts);
  parts.introduction = createIntroduction(parts);
  parts.versions = createVersions(parts);
  parts.corruption = createCorruption(parts);
  parts.snapshots = createSnapshots(parts);
  parts.loop = createLoop(parts);
  return parts;
}

function createLeadership(parts: Parts): Leadership {
  const { clock, logger, random } = parts.ports;
  return new Leadership({
    logger,
    node: parts.node,
    cluster: parts.state.cluster,
    clock,
    random,
    options: parts.options,
    schedule: () => parts.loop.schedule(),
  });
}

function createUpkeep(parts: Parts): Upkeep {
  const { clock, faults, logger, onFatal } = parts.ports;
  const { compaction, checks } = parts.options;
  return new Upkeep({
    state: parts.state,
    clock,
    faults,
    logger,
    measures: parts.measures,
    hashes: parts.hashes,
    hashedRowsMax: checks?.compactionMs ? Number.POSITIVE_INFINITY : uncheckedRowsMax,
    compactionBatch: compaction?.batch,
    compactionSleepMs: compaction?.sleepMs,
    onFatal,
  });
}

function createCorruption(parts: Parts): Corruption {
  const { clock, logger, askPeer } = parts.ports;
  const { checks } = parts.options;
  return new Corruption({
    self: parts.id,
    state: parts.state,
    clock,
    logger,
    isLeader: () => parts.node.isLeader,
    askPeer,
    timeoutMs: requestTimeoutMs(parts.options),
    periodicMs: checks?.periodicMs ?? 0,
    compactionMs: checks?.compactionMs ?? 0,
    hashes: parts.hashes,
    hashKv: (at) => parts.reads.hashKv(at),
    linearize: (reply) => parts.rounds.wait(reply),
    propose: (request) => parts.proposals.propose(request, () => undefined),
  });
}

function createVersions(parts: Parts): Versions {
  const { clock, logger, askPeer } = parts.ports;
  return new Versions({
    self: parts.id,
    state: parts.state,
    isLeader: () => parts.node.isLeader,
    clock,
    logger,
    askPeer,
    timeoutMs: requestTimeoutMs(parts.options),
    intervalMs: parts.options.downgradeCheckMs ?? defaultDowngradeCheckMs,
    linearize: (reply) => parts.rounds.wait(reply),
    propose: (request, reply) => parts.proposals.propose(request, reply),
  });
}

function createIntroduction(parts: Parts): Introduction {
  const { clock, faults, logger } = parts.ports;
  return new Introduction({
    faults,
    self: parts.id,
    options: parts.options,
    cluster: parts.state.cluster,
    clock,
    logger,
    propose: (request, reply) => parts.proposals.propose(request, reply),
  });
}

function createApplier(parts: Parts): Applier {
  const { clock, faults, logger, onFatal } = parts.ports;
  const timeoutMs = requestTimeoutMs(parts.options);
  parts.pending.onFailed = ({ request, expiresMs }) => {
    const seconds = (clock.nowMs() + timeoutMs - expiresMs) / 1000;
    parts.measures.requests.observe(kindOf(request), false, seconds);
  };
  return new Applier({
    state: parts.state,
    pending: parts.pending,
    measures: parts.measures,
    requestTimeoutMs: timeoutMs,
    clock,
    faults,
    logger,
    warningMs: parts.options.warningApplyMs,
    isOverQuota: (request) => parts.proposals.isOverQuota(request),
    onOverQuota: () => {
      logger.warn("message exceeded backend quota; raising alarm");
      parts.proposals.raiseNoSpace();
    },
    onConfChange: (change, raft) => parts.membership.apply(change, raft),
    onEmptyEntry: (term) => parts.hooks.onTermConfirmed(term),
    onApplied: (index) => {
      parts.rounds.applied(index);
      parts.loop.confChangesApplied();
      // A conf change or room for more committed entries may have made work ready.
      parts.loop.schedule();
      parts.snapshots.maybeCut();
      parts.upkeep.catchUp();
    },
    onCompacted: (at, previous) => parts.upkeep.compacted(at, previous),
    onResumed: () => parts.loop.schedule(),
    onFatal,
  });
}

function createRounds(parts: Parts): ReadIndexRounds {
  return new ReadIndexRounds({
    seed: parts.ports.random.bits64(),
    clock: parts.ports.clock,
    readIndex: (context) => {
      const result = parts.node.readIndex(context);
      parts.loop.schedule();
      return result;
    },
    appliedIndex: () => parts.applier.appliedIndex,
    timeoutMs: requestTimeoutMs(parts.options),
    onSlow: () => {
      parts.counts.slowReads++;
    },
    onFailed: () => {
      parts.counts.failedReads++;
    },
  });
}

function createProposals(parts: Parts): Proposals {
  return new Proposals({
    self: parts.id,
    options: parts.options,
    clock: parts.ports.clock,
    state: parts.state,
    pending: parts.pending,
    submit: (data) => parts.loop.propose(data),
    withdraw: () => parts.loop.dropProposals((data) => parts.pending.has(data)),
    applyGap: () => parts.node.commitIndex - parts.applier.appliedIndex,
    whenCompacted: (at, done) => parts.upkeep.whenCompacted(at, done),
  });
}

function createMembership(parts: Parts): MembershipChanges {
  const { clock, random, logger, sha1 } = parts.ports;
  return new MembershipChanges({
    self: parts.id,
    state: parts.state,
    transport: () => parts.transport,
    clock,
    random,
    logger,
    sha1,
    clusterId: parts.clusterId,
    measures: parts.measures,
    strict: parts.options.strictReconfigCheck,
    quickLearners: parts.options.quickLearners ?? false,
    timeoutMs: requestTimeoutMs(parts.options),
    propose: (data) => {
      const result = parts.loop.proposeConfChange(data);
      return result.kind === "dropped" ? result.reason : undefined;
    },
    progress: (id) => {
      const { progress } = parts.node.status();
      const own = progress.find((p) => p.id === parts.id);
      if (own === undefined) return undefined;
      return { leaderMatch: own.match, learnerMatch: progress.find((p) => p.id === id)?.match };
    },
    onSelfRemoved: () => parts.hooks.onRemoved(),
  });
}

function createLeases(parts: Parts): Leases {
  const { clock, faults, askPeer } = parts.ports;
  const { heartbeatMs, electionMs } = parts.options;
  return new Leases({
    state: parts.state,
    clock,
    faults,
    self: parts.id,
    leader: () => parts.leadership.leader,
    askPeer,
    heartbeatMs,
    electionMs,
    timeoutMs: requestTimeoutMs(parts.options),
    revoke: (id) => parts.proposals.leaseExpire(id),
    isWaiting: (revocation) => parts.proposals.isWaiting(revocation),
    takeBack: (revocations) => parts.proposals.takeBack(revocations),
    checkpoint: parts.options.leaseCheckpoints
      ? (checkpoints) => parts.proposals.leaseCheckpoint(checkpoints)
      : undefined,
    confirmLeadership: (reply) => parts.rounds.wait(reply),
    waitApplied: (reply) => {
      parts.rounds.waitApplied(parts.node.commitIndex, applyTimeoutMs, reply);
    },
  });
}

function createSnapshots(parts: Parts): Snapshots {
  const { wal, snapshotter, snapDir, boot } = parts.booted;
  return new Snapshots({
    options: parts.options,
    ports: parts.ports,
    clusterId: parts.clusterId,
    state: parts.state,
    wal,
    snapshotter,
    snapDir,
    applier: parts.applier,
    base: boot.base.index,
    storageVersion: () => parts.versions.storage,
    termAt: (at) => parts.node.termAt(at),
    firstIndex: () => parts.node.status().firstIndex,
    onInstalled: (before) => {
      parts.membership.reconnect(before);
      parts.upkeep.replaced();
      if (parts.state.cluster.isRemoved(parts.id)) parts.hooks.onRemoved();
    },
  });
}

function createLoop(parts: Parts): RaftLoop {
  const { clock, faults, logger, onFatal } = parts.ports;
  return new RaftLoop({
    node: parts.node,
    wal: parts.booted.wal,
    clock,
    faults,
    logger,
    transport: parts.transport,
    applier: parts.applier,
    reads: parts.rounds,
    measures: parts.measures,
    tickMs: parts.options.heartbeatMs,
    onTick: () => {
      parts.leases.ticked();
      parts.snapshots.maybeCut();
    },
    onSoftState: (s) => parts.hooks.onSoftState(s),
    installSnapshot: (rd) => parts.snapshots.install(rd),
    onFatal,
  });
}

function createAuthority(parts: Parts): Authority {
  const { tokens, store } = parts.state.auth;
  const timeoutMs = requestTimeoutMs(parts.options);
  return new Authority({
    store,
    tokens,
    clock: parts.ports.clock,
    byCertificate: parts.options.usersByCertificate === true,
    waitApplied: (at, reply) => {
      const index = Number(at < BigInt(Number.MAX_SAFE_INTEGER) ? at : Number.MAX_SAFE_INTEGER);
      return parts.rounds.waitApplied(index as Index, timeoutMs, reply);
    },
  });
}

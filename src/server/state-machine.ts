/**
 * What the log's entries do: key space, leases, membership, alarms, and the rows that keep them.
 * Deterministic: equal logs give equal state on every member, and on an etcd member.
 * Source: etcd server/etcdserver/apply/.
 */
import { createLessor, type Lessor } from "../core/lease/index.ts";
import { type Cluster, clusterFromRows, type MembershipRow } from "../core/membership/index.ts";
import {
  type CompactResult,
  type Crc32c,
  createKvStore,
  type KvStore,
  type Missing,
  type MvccError,
  type OpResult,
  type RowRef,
} from "../core/mvcc/index.ts";
import type { ClusterId, Index, LeaseId, Revision, Term } from "../core/types.ts";
import { assert } from "../lib/assert.ts";
import type { Clock, Logger, Random } from "../ports/index.ts";
import { EtcdError, type EtcdErrorCode, leasepb, rpcpb } from "../proto/index.ts";
import type { Backend } from "../storage/backend/index.ts";
import { Alarms } from "./alarms.ts";
import {
  type AuthApplied,
  AuthMachine,
  defaultTokenTtlMs,
  RememberedTokens,
  type Tokens,
} from "./auth/index.ts";
import { Measures } from "./measures.ts";
import { scanMembers } from "./member-rows.ts";
import { refusedByAlarm } from "./quota.ts";

/** What an applied request answers; the API layer knows which kind it asked for. */
export type Applied =
  | OpResult
  | CompactResult
  | AuthApplied
  | { readonly kind: "leaseGranted"; readonly id: LeaseId; readonly ttl: number }
  | { readonly kind: "alarms"; readonly alarms: readonly rpcpb.AlarmMember[] }
  | { readonly kind: "done"; readonly revision: Revision };

export type ApplyOutcome = Applied | Missing | EtcdError;

export interface StateMachineOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly backend: Backend;
  readonly cluster: Cluster;
  /** ceil(1.5 x election timeout). */
  readonly minLeaseTtlSeconds: number;
  /** How often a leader remembers in the log what long leases have left; undefined: never. */
  readonly leaseCheckpointSeconds?: number | undefined;
  readonly crc32c: Crc32c;
  readonly logger: Logger;
  /** What --auth-token says; undefined: simple tokens. */
  readonly tokens?: Tokens | undefined;
  readonly measures?: Measures | undefined;
}

export class StateMachine {
  readonly kv: KvStore;
  readonly lessor: Lessor;
  /** Leases granted and revoked since the start, for the metrics page. */
  readonly leaseCounts = { granted: 0, revoked: 0 };
  readonly cluster: Cluster;
  readonly alarms: Alarms;
  readonly auth: AuthMachine;
  /** Replaced when a snapshot is installed. */
  backend: Backend;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #measures: Measures;
  /** Some watcher has to catch up; it must only schedule. */
  onWatchWork: () => void = () => undefined;
  #restoring: (() => void)[] | undefined;

  constructor(options: StateMachineOptions) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#measures = options.measures ?? new Measures();
    this.backend = options.backend;
    this.cluster = options.cluster;
    this.alarms = new Alarms();
    this.lessor = createLessor({
      minTtlSeconds: options.minLeaseTtlSeconds,
      checkpointIntervalSeconds: options.leaseCheckpointSeconds ?? 0,
      random: () => options.random.bits64(),
    });
    this.kv = createKvStore({
      values: {
        get: (main, sub) => this.backend.get(main, sub),
        put: (main, sub, tombstone, bytes) => this.backend.put(main, sub, tombstone, bytes),
      },
      leases: this.lessor,
      crc32c: options.crc32c,
      onWatchWork: () => this.onWatchWork(),
    });
    const { clock, logger, random } = options;
    this.auth = new AuthMachine({
      clock,
      logger,
      tokens: options.tokens ?? new RememberedTokens(defaultTokenTtlMs, (n) => random.below(n)),
      leases: this.lessor,
      backend: () => this.backend,
    });
  }

  /** While true the state is only partly there and must not be read. */
  get restoring(): boolean {
    return this.#restoring !== undefined;
  }

  /** Runs `f` now, or once a restore under way is through. */
  whenWhole(f: () => void): void {
    if (this.#restoring === undefined) f();
    else this.#restoring.push(f);
  }

  /** Makes another backend the state; readers wait until it is and `replaced` has run. */
  async replace(
    backend: () => Promise<Backend>,
    clusterId: ClusterId,
    replaced: () => void,
  ): Promise<void> {
    const waiting: (() => void)[] = [];
    this.#restoring = waiting;
    this.backend = await backend();
    await this.restore(clusterId);
    this.#restoring = undefined;
    replaced();
    for (const f of waiting) f();
  }

  /**
   * Brings rows that a read lacks into memory. Compaction leaves everything alone that can be read
   * now, or a row might be gone before it is fetched (STORE 10). Resolves early when a snapshot is
   * installed meanwhile: the reader asks again and finds the new state.
   */
  async fetch(rows: readonly RowRef[]): Promise<void> {
    const { backend, kv } = this;
    const pin = kv.pin(kv.compactRevision as Revision);
    try {
      await backend.prefetch(rows);
    } catch (error) {
      if (backend === this.backend && !this.restoring) throw error;
    } finally {
      pin.release();
    }
  }

  /** Reads everything back from the backend's rows: leases before keys (STORE 13). */
  async restore(clusterId: ClusterId): Promise<void> {
    const { backend, kv, lessor } = this;
    lessor.reset();
    kv.reset();
    this.alarms.reset();
    for await (const rows of backend.scan("lease")) {
      for (const [, value] of rows) lessor.restoreLease(leasepb.decodeLease(value));
    }
    for await (const rows of backend.scanRev({ main: 0, sub: 0 })) {
      for (const r of rows) {
        kv.restoreRow(r.main as Revision, r.sub, r.tombstone, r.value);
      }
    }
    const meta = backend.meta;
    kv.finishRestore({
      currentRevision: meta.revision,
      scheduledCompactRevision: meta.scheduledCompactRevision,
      finishedCompactRevision: meta.finishedCompactRevision,
    });
    for await (const rows of backend.scan("alarm")) {
      for (const [key] of rows) this.alarms.activate(rpcpb.decodeAlarmMember(key));
    }
    await this.auth.restore(backend);
    await this.#restoreMembers(clusterId);
  }

  /**
   * Applies one normal entry's request. "missing" had no effect: bring the rows into memory and
   * call again. `waited`: somebody waits for the answer; `at`: the entry's index.
   */
  apply(request: rpcpb.InternalRaftRequest, waited: boolean, at: number): ApplyOutcome {
    const { auth } = this;
    const refused =
      refusedByAlarm(this.alarms, request) ??
      (auth.store.enabled ? auth.refuse(request) : undefined);
    if (refused !== undefined) return refused;
    const options = { skipRanges: !waited };
    if (request.put !== undefined) return this.#mvcc(this.kv.put(request.put, options));
    if (request.txn !== undefined) return this.#mvcc(this.kv.txn(request.txn, options));
    if (request.deleteRange !== undefined) {
      return this.#mvcc(this.kv.deleteRange(request.deleteRange, options));
    }
    if (request.leaseRevoke !== undefined) return this.#leaseRevoke(request.leaseRevoke.id);
    if (request.leaseGrant !== undefined) return this.#leaseGrant(request.leaseGrant);
    if (request.compaction !== undefined) return this.#compact(request.compaction.revision);
    if (request.leaseCheckpoint !== undefined) {
      return this.#leaseCheckpoint(request.leaseCheckpoint.checkpoints);
    }
    if (request.alarm !== undefined) return this.#alarm(request.alarm);
    if (request.clusterMemberAttrSet !== undefined) {
      const { memberId, memberAttributes } = request.clusterMemberAttrSet;
      const attributes = {
        name: memberAttributes?.name ?? "",
        clientURLs: memberAttributes?.clientUrls ?? [],
      };
      this.persistMembers(this.cluster.setAttributes(memberId, attributes).rows);
      return this.#done();
    }
    if (request.downgradeInfoSet !== undefined) {
      const { enabled, ver } = request.downgradeInfoSet;
      const targetVersion = enabled ? ver : "";
      this.persistMembers(this.cluster.setDowngrade({ enabled, targetVersion }));
      return this.#done();
    }
    if (request.clusterVersionSet !== undefined) {
      this.#setClusterVersion(request.clusterVersionSet.ver);
      return this.#done();
    }
    // What is left only reads, or is known to none of us: it changes nothing here.
    return auth.apply(request, at, waited) ?? new EtcdError("NotCapable");
  }

  persistMembers(rows: readonly MembershipRow[]): void {
    for (const row of rows) {
      if (row.value === undefined) this.backend.deleteRow(row.bucket, row.key);
      else this.backend.putRow(row.bucket, row.key, row.value);
    }
  }

  /** Ends a unit of applied entries: from here on it is written behind as a whole. */
  commit(appliedIndex: Index, appliedTerm: Term): void {
    this.backend.setMeta({ appliedIndex, appliedTerm, revision: this.kv.revision });
    this.backend.commit();
  }

  #setClusterVersion(to: string): void {
    const short = (version: string): string => version.split(".").slice(0, 2).join(".");
    const from = this.cluster.clusterVersion;
    const initial = { "cluster-version": short(to) };
    if (from === undefined) this.#logger.info("set initial cluster version", initial);
    else this.#logger.info("updated cluster version", { from: short(from), to: short(to) });
    this.persistMembers(this.cluster.setClusterVersion(to));
  }

  #mvcc(outcome: OpResult | MvccError | Missing): ApplyOutcome {
    return outcome.kind === "error" ? etcdError(outcome.code) : outcome;
  }

  #compact(revision: number): ApplyOutcome {
    const outcome = this.kv.compact(revision);
    if (outcome.kind === "error") return etcdError(outcome.code);
    this.backend.setMeta({ scheduledCompactRevision: revision as Revision });
    return outcome;
  }

  #leaseGrant(request: rpcpb.LeaseGrantRequest): ApplyOutcome {
    const outcome = this.lessor.grant(request.id, request.ttl, this.#clock.nowMs());
    if (outcome.kind === "error") return etcdError(outcome.code);
    this.leaseCounts.granted++;
    const { lease } = outcome;
    this.#measures.leaseTtl.observe(Number(lease.ttl));
    this.backend.putRow("lease", leaseKey(lease.id), leasepb.encodeLease(lease));
    return { kind: "leaseGranted", id: lease.id, ttl: lease.ttl };
  }

  #leaseRevoke(id: LeaseId): ApplyOutcome {
    const outcome = this.lessor.revoke(id);
    if (outcome.kind === "error") return etcdError(outcome.code);
    this.leaseCounts.revoked++;
    if (outcome.keys.length > 0) this.kv.deleteKeys(outcome.keys);
    this.backend.deleteRow("lease", leaseKey(id));
    return this.#done();
  }

  #leaseCheckpoint(checkpoints: readonly rpcpb.LeaseCheckpoint[]): ApplyOutcome {
    for (const c of checkpoints) {
      const lease = this.lessor.checkpoint(c.id, c.remainingTtl, this.#clock.nowMs());
      if (lease === undefined) continue;
      this.backend.putRow("lease", leaseKey(c.id), leasepb.encodeLease(lease));
    }
    return this.#done();
  }

  #alarm(request: rpcpb.AlarmRequest): ApplyOutcome {
    const { memberId, alarm, action } = request;
    const key = rpcpb.newAlarmMember({ memberId, alarm });
    if (action === rpcpb.AlarmAction.GET) {
      return { kind: "alarms", alarms: this.alarms.list(alarm) };
    }
    if (action === rpcpb.AlarmAction.ACTIVATE) {
      if (alarm === rpcpb.AlarmType.NONE) return { kind: "alarms", alarms: [] };
      this.alarms.activate(key);
      this.backend.putRow("alarm", rpcpb.encodeAlarmMember(key), new Uint8Array(0));
      return { kind: "alarms", alarms: [key] };
    }
    // An action that nobody knows changes nothing, in etcd's log either.
    if (action !== rpcpb.AlarmAction.DEACTIVATE) return { kind: "alarms", alarms: [] };
    if (!this.alarms.deactivate(key)) return { kind: "alarms", alarms: [] };
    this.backend.deleteRow("alarm", rpcpb.encodeAlarmMember(key));
    return { kind: "alarms", alarms: [key] };
  }

  #done(): ApplyOutcome {
    return { kind: "done", revision: this.kv.revision };
  }

  async #restoreMembers(clusterId: ClusterId): Promise<void> {
    const rows = await scanMembers(this.backend);
    if (rows.length === 0) return;
    const state = clusterFromRows(clusterId, rows);
    assert(state.ok, `membership rows do not read: ${state.ok ? "" : state.error}`);
    this.cluster.replace(state.value);
  }
}

/** The rooms of core name errors as etcd's Go does, with a leading Err. */
export function etcdError(code: string): EtcdError {
  if (code === "ErrNotPrimary") return new EtcdError("NotLeader");
  return new EtcdError(code.replace(/^Err/, "") as EtcdErrorCode);
}

function leaseKey(id: LeaseId): Uint8Array {
  const key = Buffer.alloc(8);
  key.writeBigInt64BE(id);
  return key;
}

/**
 * Clients' writes. Each becomes one entry of the log; its answer comes when that is applied here.
 * Source: etcd server/etcdserver/v3_server.go processInternalRaftRequestOnce.
 */
import { type AuthInfo, root } from "../core/auth/index.ts";
import type { CompactResult, DeleteResult, PutResult, TxnResult } from "../core/mvcc/index.ts";
import type { LeaseId, MemberId, Revision } from "../core/types.ts";
import type { Clock } from "../ports/index.ts";
import { EtcdError, rpcpb } from "../proto/index.ts";
import type { AuthApplied } from "./auth/index.ts";
import { type MemberOptions, requestTimeoutMs } from "./options.ts";
import { costBytes } from "./quota.ts";
import type { Pending, PendingRequests, Reply } from "./requests.ts";
import type { StateMachine } from "./state-machine.ts";

/** Numbers of requests in InternalRaftRequest. */
const RaftField = { put: 4, deleteRange: 5, txn: 6 } as const;
/** etcd's maxGapBetweenApplyAndCommitIndex. */
const applyGapLimit = 5000;

export interface ProposalsOptions {
  readonly self: MemberId;
  readonly options: MemberOptions;
  readonly clock: Clock;
  readonly state: StateMachine;
  readonly pending: PendingRequests;
  /** Gives the entry to Raft at the end of this turn. */
  readonly submit: (data: Uint8Array) => void;
  /** Takes back what was submitted and is not in `pending` any more, if Raft has not got it yet. */
  readonly withdraw: () => void;
  /** Committed entries that are not applied here. */
  readonly applyGap: () => number;
  readonly whenCompacted: (at: number, done: () => void) => void;
}

/**
 * Errors of all of them: TooManyRequests, RequestTooLarge, NoSpace, Corrupt, Timeout, Stopped.
 * `encoded` is the request as it came from the client: it goes into the log as it is. `who`
 * proposes it: apply refuses what they may not do, with the errors of core/auth.
 */
export class Proposals {
  readonly #o: ProposalsOptions;
  #stopped = false;
  #raisingAlarm = false;

  constructor(options: ProposalsOptions) {
    this.#o = options;
  }

  put(put: rpcpb.PutRequest, encoded: Uint8Array, reply: Reply<PutResult>, who?: AuthInfo): void {
    const r = rpcpb.newInternalRaftRequest();
    r.put = put;
    this.#growing(r, reply, RaftField.put, encoded, who);
  }

  deleteRange(
    deleteRange: rpcpb.DeleteRangeRequest,
    encoded: Uint8Array,
    reply: Reply<DeleteResult>,
    who?: AuthInfo,
  ): void {
    const r = rpcpb.newInternalRaftRequest();
    r.deleteRange = deleteRange;
    this.propose(r, reply, who, RaftField.deleteRange, encoded);
  }

  txn(txn: rpcpb.TxnRequest, encoded: Uint8Array, reply: Reply<TxnResult>, who?: AuthInfo): void {
    const r = rpcpb.newInternalRaftRequest();
    r.txn = txn;
    this.#growing(r, reply, RaftField.txn, encoded, who);
  }

  /** Only root may ask for it, which whoever calls this has seen to: apply does not ask again. */
  compact(at: number, physical: boolean, reply: Reply<CompactResult>): void {
    const compaction = rpcpb.newCompactionRequest({ revision: at as Revision, physical });
    this.propose<CompactResult>(rpcpb.newInternalRaftRequest({ compaction }), (error, value) => {
      if (error !== undefined || !physical) reply(error, value);
      else this.#o.whenCompacted(at, () => reply(undefined, value));
    });
  }

  /** A request of the Auth service. */
  auth(request: Partial<rpcpb.InternalRaftRequest>, reply: Reply<AuthApplied>, who?: AuthInfo) {
    this.propose(rpcpb.newInternalRaftRequest(request), reply, who);
  }

  leaseGrant(
    id: LeaseId,
    ttl: number,
    reply: Reply<{ readonly id: LeaseId; readonly ttl: number }>,
  ): void {
    const chosen = id === 0n ? this.#o.state.lessor.chooseId() : id;
    const leaseGrant = { id: chosen, ttl };
    this.#growing(rpcpb.newInternalRaftRequest({ leaseGrant }), reply);
  }

  leaseRevoke(id: LeaseId, reply: Reply<unknown>, who?: AuthInfo): void {
    this.propose(rpcpb.newInternalRaftRequest({ leaseRevoke: { id } }), reply, who);
  }

  /** Revokes a lease that has expired; undefined when the proposal was refused. */
  leaseExpire(id: LeaseId): Pending | undefined {
    const r = rpcpb.newInternalRaftRequest({ leaseRevoke: { id } });
    const { enabled, revision } = this.#o.state.auth.store;
    const who = enabled ? { username: root, revision } : undefined;
    return this.propose(r, () => undefined, who);
  }

  /** Whether a proposal is neither applied here nor given up. */
  isWaiting(proposal: Pending): boolean {
    return this.#o.pending.has(proposal.data);
  }

  /** Takes back what is still queued here, unseen by Raft, and forgets the rest; nobody gets an answer. */
  takeBack(proposals: readonly Pending[]): void {
    const waiting = proposals.filter((proposal) => this.isWaiting(proposal));
    if (waiting.length === 0) return;
    for (const { data } of waiting) this.#o.pending.takeByData(data);
    this.#o.withdraw();
  }

  /** Remembers in the log how long leases still have to live. */
  leaseCheckpoint(checkpoints: readonly rpcpb.LeaseCheckpoint[]): void {
    const leaseCheckpoint = { checkpoints: [...checkpoints] };
    this.propose(rpcpb.newInternalRaftRequest({ leaseCheckpoint }), () => undefined);
  }

  alarm(alarm: rpcpb.AlarmRequest, reply: Reply<{ readonly alarms: rpcpb.AlarmMember[] }>): void {
    this.propose(rpcpb.newInternalRaftRequest({ alarm }), reply);
  }

  /** Undefined when it was refused, and then the reply has been given. */
  propose<T>(
    request: rpcpb.InternalRaftRequest,
    reply: Reply<T>,
    who?: AuthInfo,
    field?: number,
    encoded?: Uint8Array,
  ): Pending | undefined {
    const { options, clock } = this.#o;
    if (this.#stopped) {
      reply(new EtcdError("Stopped"));
      return undefined;
    }
    if (this.#o.applyGap() > applyGapLimit) {
      reply(new EtcdError("RequestTooManyRequests"));
      return undefined;
    }
    const expiresMs = clock.nowMs() + requestTimeoutMs(options);
    const answer = reply as Reply<unknown>;
    const pending =
      field === undefined || encoded === undefined
        ? this.#o.pending.add(request, expiresMs, answer, who)
        : this.#o.pending.addEncoded(field, encoded, request, expiresMs, answer, who);
    if (pending === undefined) {
      reply(new EtcdError("RequestTooManyRequests"));
      return undefined;
    }
    if (pending.data.byteLength > options.maxRequestBytes) {
      this.#o.pending.takeByData(pending.data);
      reply(new EtcdError("RequestTooLarge"));
      return undefined;
    }
    this.#o.submit(pending.data);
    return pending;
  }

  /** Fails what waits and whatever comes. */
  stop(): void {
    this.#stopped = true;
    this.#o.pending.failAll(new EtcdError("Stopped"));
  }

  /** A request that adds data: refused once the quota is used up, and the alarm is raised. */
  #growing<T>(
    request: rpcpb.InternalRaftRequest,
    reply: Reply<T>,
    field?: number,
    encoded?: Uint8Array,
    who?: AuthInfo,
  ): void {
    if (!this.isOverQuota(request)) {
      this.propose(request, reply, who, field, encoded);
      return;
    }
    this.raiseNoSpace();
    reply(new EtcdError("NoSpace"));
  }

  /** Whether a request adds more than the quota leaves; never with a quota of 0 or less. */
  isOverQuota(request: rpcpb.InternalRaftRequest): boolean {
    const { quotaBytes } = this.#o.options;
    const cost = quotaBytes <= 0 ? 0 : costBytes(request);
    return cost > 0 && this.#o.state.backend.meta.logicalBytes + cost >= quotaBytes;
  }

  /** Raises the alarm, unless it is raised. */
  raiseNoSpace(): void {
    const { state, self } = this.#o;
    if (this.#raisingAlarm || state.alarms.has(rpcpb.AlarmType.NOSPACE)) return;
    this.#raisingAlarm = true;
    const alarm = rpcpb.newAlarmRequest({
      action: rpcpb.AlarmAction.ACTIVATE,
      memberId: self,
      alarm: rpcpb.AlarmType.NOSPACE,
    });
    this.propose(rpcpb.newInternalRaftRequest({ alarm }), () => {
      this.#raisingAlarm = false;
    });
  }
}

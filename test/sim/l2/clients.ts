/** Writes and reads at random members; every answer is checked against the witness. */
import { emptyBytes, fromLatin1, toLatin1 } from "../../../src/lib/bytes.ts";
import { type EtcdError, rpcpb } from "../../../src/proto/index.ts";
import type { HashKvResult, Member } from "../../../src/server/index.ts";
import type { SimRandom } from "../random.ts";
import { Violation } from "../world.ts";
import type { World2 } from "./cluster.ts";
import { differs } from "./compare.ts";
import type { Host } from "./host.ts";
import { bounds } from "./model.ts";

interface Call {
  readonly host: Host;
  readonly what: string;
  readonly startedUs: number;
  /** What clients had been told when it began. */
  readonly floor: number;
  finish(): void;
}

type Answer = (error: { readonly code: string } | undefined, value?: unknown) => void;

export class Clients {
  readonly #w: World2;
  readonly #random: SimRandom;
  /** Calls at living processes that were not answered yet. */
  readonly pending = new Set<Call>();
  #unique = 1;
  #stopped = false;
  readonly #leases: bigint[] = [];
  /** Revision of the last serializable read, by process. */
  readonly #seen = new Map<object, number>();

  constructor(w: World2) {
    this.#w = w;
    this.#random = w.world.random.fork("clients");
    for (let i = 0; i < w.swarm.clients; i++) this.#next();
    w.onDeath.push((host) => {
      for (const call of [...this.pending]) if (call.host === host) call.finish();
    });
  }

  /** Lets what was asked be answered, and asks no more. */
  stop(): void {
    this.#stopped = true;
  }

  #next(): void {
    if (this.#stopped) return;
    const meanUs = this.#w.calm ? 50_000 : this.#w.swarm.thinkUs;
    this.#w.world.after(1 + this.#random.geometric(meanUs), undefined, "client", () => {
      const host = this.#host();
      if (host?.member === undefined) this.#next();
      else this.#act(host, host.member);
    });
  }

  #host(): Host | undefined {
    const up = this.#w.serving.filter((h) => !h.actor.paused && !h.member?.isLearner);
    const leaders = up.filter((h) => h.member?.isLeader);
    if (up.length === 0) return undefined;
    return this.#random.pick(leaders.length > 0 && this.#random.chance(40) ? leaders : up);
  }

  #begin(host: Host, what: string): Call {
    const call: Call = {
      host,
      what,
      startedUs: this.#w.world.nowUs,
      floor: this.#w.witness.floor,
      finish: () => {
        if (this.pending.delete(call)) this.#next();
      },
    };
    this.pending.add(call);
    return call;
  }

  /** An answer counts while its process lives, once. */
  #on(call: Call, check: (value: unknown) => void): Answer {
    const { actor } = call.host;
    return (error, value) => {
      if (actor.dead) return;
      if (!this.pending.has(call)) throw new Violation(`${call.what} was answered twice`);
      this.#w.world.note(() => `${call.what}: ${error?.code ?? "ok"}`, actor);
      if (error === undefined) check(value);
      call.finish();
    };
  }

  #act(host: Host, member: Member): void {
    const { faults } = this.#w.swarm;
    const dice = this.#random.below(100);
    if (dice < 30) this.#put(host, member);
    else if (dice < 45) this.#txn(host, member);
    else if (dice < 53) this.#delete(host, member);
    else if (dice < 75) this.#range(host, member, false);
    else if (dice < 84) this.#range(host, member, true);
    else if (dice < 88 && faults.has("compaction")) this.#compact(host, member);
    else if (dice < 91) this.#hash(host, member);
    else if (faults.has("lease")) this.#lease(host, member);
    else this.#put(host, member);
  }

  #key(): string {
    return `k${String(this.#random.below(this.#w.swarm.keys)).padStart(2, "0")}`;
  }

  #value(): string {
    const value = `v${this.#unique++}.`;
    return value.padEnd(this.#w.swarm.valueBytes, "x");
  }

  #span(): [Uint8Array, Uint8Array] {
    if (this.#random.chance(60)) return [fromLatin1(this.#key()), emptyBytes];
    const [a, b] = [this.#key(), this.#key()].sort() as [string, string];
    return [fromLatin1(a), fromLatin1(`${b}~`)];
  }

  /** The answer to a write carries a revision that is new to everybody. */
  #wrote(call: Call, revision: number, key: string, value: string): void {
    const { model } = this.#w.witness;
    if (revision <= call.floor) {
      this.#fail(call, `at revision ${revision}, but ${call.floor} was known before it began`);
    }
    const found = model.changes[revision]?.some((c) => c.key === key && c.now?.value === value);
    if (!found) this.#fail(call, `at revision ${revision}, which is another's`);
    this.#w.witness.told(revision);
    this.#w.witness.writes++;
  }

  #fail(call: Call, message: string): never {
    throw new Violation(`${call.what} at ${call.host.name}: ${message}`);
  }

  #put(host: Host, member: Member): void {
    const key = this.#key();
    const value = this.#value();
    const lease = this.#random.chance(20) ? (this.#leases.at(-1) ?? 0n) : 0n;
    const request = rpcpb.newPutRequest({
      key: fromLatin1(key),
      value: fromLatin1(value),
      lease: lease as never,
      prevKv: this.#random.chance(30),
    });
    const call = this.#begin(host, `put ${key}=${value.slice(0, 10)}`);
    member.proposals.put(
      request,
      rpcpb.encodePutRequest(request),
      this.#on(call, (v) => this.#wrote(call, (v as { revision: number }).revision, key, value)),
    );
  }

  #txn(host: Host, member: Member): void {
    const { model } = this.#w.witness;
    const key = fromLatin1(this.#key());
    const name = toLatin1(key);
    const value = this.#value();
    const modRevision = (model.at(name, model.revision)?.mod ?? 0) as never;
    const compare = rpcpb.newCompare({ key, target: 2, result: 0, modRevision });
    const put = rpcpb.newPutRequest({ key, value: fromLatin1(value) });
    const get = rpcpb.newRangeRequest({ key });
    const request = rpcpb.newTxnRequest({
      compare: [compare],
      success: [rpcpb.newRequestOp({ requestPut: put }), rpcpb.newRequestOp({ requestRange: get })],
      failure: [rpcpb.newRequestOp({ requestRange: get })],
    });
    const call = this.#begin(host, `txn ${name}@${modRevision}=${value.slice(0, 10)}`);
    const check = (v: unknown): void => {
      const r = v as { succeeded: boolean; revision: number; responses: { kvs: Uint8Array[] }[] };
      if (r.succeeded) this.#wrote(call, r.revision, name, value);
      else this.#saw(call, r.revision, r.responses[0]?.kvs ?? [], key, emptyBytes, r.revision);
    };
    member.proposals.txn(request, rpcpb.encodeTxnRequest(request), this.#on(call, check));
  }

  #delete(host: Host, member: Member): void {
    const [key, rangeEnd] = this.#span();
    const request = rpcpb.newDeleteRangeRequest({ key, rangeEnd, prevKv: this.#random.chance(30) });
    const call = this.#begin(host, `delete ${toLatin1(key)}..${toLatin1(rangeEnd)}`);
    const check = (v: unknown): void => {
      const { deleted, revision } = v as { deleted: number; revision: number };
      if (revision < call.floor) this.#fail(call, `revision ${revision} is below ${call.floor}`);
      const [start, end] = bounds(key, rangeEnd);
      const { model } = this.#w.witness;
      if (deleted === 0) {
        const left = model.range(start, end, revision).length;
        if (left > 0) this.#fail(call, `nothing deleted, but ${left} were there`);
      } else {
        const gone = model.changes[revision]?.filter((c) => c.now === undefined) ?? [];
        const all = gone.every((c) => c.key >= start && c.key < end);
        if (!all || gone.length !== deleted) this.#fail(call, `${deleted} deleted at ${revision}?`);
      }
      this.#w.witness.told(revision);
      this.#w.witness.writes++;
    };
    member.proposals.deleteRange(
      request,
      rpcpb.encodeDeleteRangeRequest(request),
      this.#on(call, check),
    );
  }

  /** Keys read at `revision` when the head was `head`. */
  #saw(
    call: Call,
    head: number,
    kvs: readonly Uint8Array[],
    key: Uint8Array,
    rangeEnd: Uint8Array,
    revision: number,
  ): void {
    const { model } = this.#w.witness;
    if (head < call.floor) {
      this.#fail(call, `reads at revision ${head}, but ${call.floor} was known before it began`);
    }
    if (head > model.revision) this.#fail(call, `reads at revision ${head} of the future`);
    const wrong = differs(kvs, model.range(...bounds(key, rangeEnd), revision));
    if (wrong !== undefined) this.#fail(call, `at revision ${revision}: ${wrong}`);
    this.#w.witness.told(head);
    this.#w.witness.reads++;
  }

  #range(host: Host, member: Member, serializable: boolean): void {
    const { model } = this.#w.witness;
    const [key, rangeEnd] = this.#span();
    const old = this.#random.chance(25) ? this.#random.between(1, model.revision) : 0;
    const request = rpcpb.newRangeRequest({
      key,
      rangeEnd,
      serializable,
      revision: old as never,
    });
    const call = this.#begin(
      host,
      `${serializable ? "serializable " : ""}get ${toLatin1(key)}..${toLatin1(rangeEnd)}@${old}`,
    );
    const check = (v: unknown): void => {
      const { revision, kvs } = v as { revision: number; kvs: Uint8Array[] };
      if (!serializable) {
        this.#saw(call, revision, kvs, key, rangeEnd, old === 0 ? revision : old);
        return;
      }
      const seen = this.#seen.get(host.actor) ?? 0;
      if (revision < seen) this.#fail(call, `revision ${revision} after ${seen}`);
      this.#seen.set(host.actor, revision);
      const at = old === 0 ? revision : old;
      const wrong = differs(kvs, model.range(...bounds(key, rangeEnd), at));
      if (wrong !== undefined) this.#fail(call, `at revision ${at}: ${wrong}`);
      this.#w.witness.reads++;
    };
    const answer = this.#on(call, check);
    member.reads.range(request, (error: EtcdError | undefined, value) => {
      if (error?.code === "Compacted" && !(old > 0 && old < model.compactRevision)) {
        this.#fail(call, `refused as compacted, compact revision is ${model.compactRevision}`);
      }
      if (error?.code === "FutureRev" && !serializable) this.#fail(call, "refused as future");
      answer(error, value);
    });
  }

  #compact(host: Host, member: Member): void {
    const { model } = this.#w.witness;
    const at = this.#random.between(Math.max(1, model.compactRevision), model.revision);
    const call = this.#begin(host, `compact ${at}`);
    member.proposals.compact(
      at,
      this.#random.chance(30),
      this.#on(call, () => undefined),
    );
  }

  #hash(host: Host, member: Member): void {
    const call = this.#begin(host, "hash");
    const answer = this.#on(call, (v) => this.#w.witness.hashed(host.name, v as HashKvResult));
    member.reads.hashKv(0).then(
      (result) => answer(undefined, result),
      // A snapshot was installed meanwhile.
      (error: Error) => answer({ code: error.message }),
    );
  }

  #lease(host: Host, member: Member): void {
    const id = this.#leases.length > 0 ? this.#random.pick(this.#leases.slice(-5)) : 0n;
    const dice = this.#random.below(10);
    if (id === 0n || dice < 3) {
      const fresh = BigInt(1000 + this.#leases.length);
      this.#leases.push(fresh);
      const call = this.#begin(host, `grant ${fresh}`);
      const ttl = this.#random.between(1, 4);
      member.proposals.leaseGrant(
        fresh as never,
        ttl,
        this.#on(call, () => undefined),
      );
    } else if (dice < 4) {
      this.#w.witness.revokedByClients.add(id);
      const call = this.#begin(host, `revoke ${id}`);
      member.proposals.leaseRevoke(
        id as never,
        this.#on(call, () => undefined),
      );
    } else {
      const call = this.#begin(host, `renew ${id}`);
      const answer = this.#on(call, () => this.#w.witness.renewed(id, call.startedUs));
      member.leases.keepAlive(id as never, answer);
    }
  }
}

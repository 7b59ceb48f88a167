/**
 * Applies committed entries in order. An entry whose values are not all in memory waits until they
 * are fetched and runs again (STORE 9); everything else happens in one turn of the loop.
 */
import type { ConfChange, ConfState, Entry, RawNode } from "../core/raft/index.ts";
import { asConfChangeV2, EntryType } from "../core/raft/index.ts";
import type { Index, Term } from "../core/types.ts";
import { assert } from "../lib/assert.ts";
import type { Clock, Faults, Logger } from "../ports/index.ts";
import { EtcdError, raftpb, type rpcpb } from "../proto/index.ts";
import { kindOf, type Measures } from "./measures.ts";
import { decodeLogged, type Pending, type PendingRequests } from "./requests.ts";
import type { StateMachine } from "./state-machine.ts";

export interface ApplierOptions {
  readonly state: StateMachine;
  readonly pending: PendingRequests;
  readonly measures: Measures;
  /** How long before `expiresMs` a request began. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly logger: Logger;
  readonly onConfChange: (change: ConfChange, raft: (c: ConfChange) => ConfState) => void;
  /** A leader's first entry of its term was applied: the lessor may be promoted. */
  readonly onEmptyEntry: (term: Term) => void;
  /** Whether the quota has no room for the request. */
  /** --warning-apply-duration; undefined: never warned of. */
  readonly warningMs?: number | undefined;
  readonly isOverQuota: (request: rpcpb.InternalRaftRequest) => boolean;
  readonly onOverQuota: () => void;
  /** After each turn's share. */
  readonly onApplied: (index: Index) => void;
  readonly onCompacted: (at: number, previous: number) => void;
  /** Entries were applied in a turn of the applier's own: Raft may have more to hand out. */
  readonly onResumed: () => void;
  /** An entry cannot be applied: this member would differ from the others from here on. */
  readonly onFatal: (error: Error) => void;
}

/** How long one turn may apply before others get theirs (DESIGN D11). */
const turnMs = 8;

export class Applier {
  readonly #o: ApplierOptions;
  /** Turns that took longer than --warning-apply-duration. */
  slow = 0;
  #node: RawNode | undefined;
  #queue: Entry[] = [];
  #at = 0;
  #waiting = false;
  #stopped = false;
  /** Index and term of the last entry applied. */
  #index: Index;
  #term: Term;
  #uncommitted = false;
  #confChanges = 0;
  /** The entry that waits for values: its request is not taken from the registry twice. */
  #current:
    | { readonly request: rpcpb.InternalRaftRequest; readonly pending: Pending | undefined }
    | undefined;
  #idle: (() => void)[] = [];

  constructor(options: ApplierOptions) {
    this.#o = options;
    const meta = options.state.backend.meta;
    this.#index = meta.appliedIndex;
    this.#term = meta.appliedTerm;
  }

  attach(node: RawNode): void {
    this.#node = node;
  }

  get appliedIndex(): Index {
    return this.#index;
  }

  get appliedTerm(): Term {
    return this.#term;
  }

  /** Committed conf changes that are not applied yet. */
  get pendingConfChanges(): number {
    return this.#confChanges;
  }

  /** Entries that wait to be applied. */
  get backlog(): number {
    return this.#queue.length - this.#at;
  }

  /** Takes entries over; `run` applies them. */
  enqueue(entries: readonly Entry[]): void {
    for (const e of entries) if (e.type !== EntryType.Normal) this.#confChanges++;
    this.#queue = this.backlog === 0 ? [...entries] : this.#queue.slice(this.#at).concat(entries);
    this.#at = 0;
  }

  /** Applies what waits, for up to a turn's share; goes on by itself with the rest. */
  run(): void {
    if (this.#waiting || this.#stopped) return;
    try {
      this.#applyShare();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** Resolves when nothing is being applied; new entries must be held back by the caller. */
  async drained(): Promise<void> {
    while (this.backlog > 0 && !this.#stopped) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** An installed snapshot has taken the place of everything applied so far. */
  jumpTo(index: Index, term: Term): void {
    this.#queue = [];
    this.#at = 0;
    this.#confChanges = 0;
    this.#index = index;
    this.#term = term;
    this.#o.onApplied(index);
  }

  stop(): void {
    this.#stopped = true;
    this.#finishUnit();
    for (const f of this.#idle.splice(0)) f();
  }

  #applyShare(): void {
    const { state, clock } = this.#o;
    const until = clock.nowMs() + turnMs;
    let n = 0;
    while (this.#at < this.#queue.length) {
      if (state.backend.backpressure) {
        this.#wait(state.backend.relieved());
        break;
      }
      const missing = this.#applyOne(this.#queue[this.#at] as Entry);
      if (missing !== undefined) {
        this.#wait(missing);
        break;
      }
      this.#at++;
      if ((++n & 31) === 0 && clock.nowMs() > until && this.#at < this.#queue.length) {
        this.#waiting = true;
        clock.soon(() => this.#resume());
        break;
      }
    }
    this.#finishUnit();
    const tookMs = clock.nowMs() - (until - turnMs);
    if (tookMs > (this.#o.warningMs ?? Number.POSITIVE_INFINITY)) {
      this.slow++;
      this.#o.logger.warn("apply request took too long", {
        took: `${tookMs.toFixed(3)}ms`,
        "expected-duration": `${this.#o.warningMs}ms`,
        entries: n,
      });
    }
    if (this.backlog === 0) for (const f of this.#idle.splice(0)) f();
  }

  #wait(until: Promise<void>): void {
    this.#waiting = true;
    until.then(
      () => this.#resume(),
      (error: unknown) => this.#fail(error as Error),
    );
  }

  #resume(): void {
    this.#waiting = false;
    this.run();
    if (!this.#stopped) this.#o.onResumed();
  }

  /** What the entry did so far is not committed: a restart finds the state of before it. */
  #fail(error: Error): void {
    this.#stopped = true;
    this.#uncommitted = false;
    const at = this.#queue[this.#at]?.index;
    this.#o.onFatal(
      new Error(`cannot apply the log's entry ${at}: ${error.message}`, { cause: error }),
    );
    for (const f of this.#idle.splice(0)) f();
  }

  #finishUnit(): void {
    if (!this.#uncommitted) return;
    this.#uncommitted = false;
    this.#o.state.commit(this.#index, this.#term);
    this.#node?.applied(this.#index);
    this.#o.onApplied(this.#index);
  }

  /** Undefined when done; else the fetch to wait for before trying again. */
  #applyOne(entry: Entry): Promise<void> | undefined {
    if (entry.type !== EntryType.Normal) this.#applyConfChange(entry);
    else if (entry.data.byteLength === 0) this.#o.onEmptyEntry(entry.term);
    else {
      const missing = this.#applyNormal(entry);
      if (missing !== undefined) return missing;
    }
    this.#index = entry.index;
    this.#term = entry.term;
    this.#uncommitted = true;
    return undefined;
  }

  #applyNormal(entry: Entry): Promise<void> | undefined {
    this.#o.faults.hit("beforeApplyOneEntryNormal");
    const { state } = this.#o;
    this.#current ??= this.#lookUp(entry);
    const { request, pending } = this.#current;
    // Entries proposed before the quota was used up take effect; who waits for one hears of it.
    const over = pending !== undefined && this.#o.isOverQuota(request);
    const begun = this.#o.clock.nowMs();
    const outcome = state.apply(request, pending !== undefined, entry.index);
    const isError = outcome instanceof EtcdError;
    if (!isError && outcome.kind === "missing") return state.backend.prefetch(outcome.rows);
    this.#measure(request, pending, !isError, begun);
    if (isError) pending?.reply(outcome);
    else {
      if (outcome.kind === "compact") {
        this.#o.faults.hit("compactBeforeCommitScheduledCompact");
        this.#o.onCompacted(request.compaction?.revision ?? 0, outcome.previous);
      }
      if (!over) pending?.reply(undefined, outcome);
      else {
        this.#o.onOverQuota();
        pending?.reply(new EtcdError("NoSpace"));
      }
    }
    this.#current = undefined;
    return undefined;
  }

  #measure(
    request: rpcpb.InternalRaftRequest,
    pending: Pending | undefined,
    isOk: boolean,
    begunMs: number,
  ): void {
    const { measures, clock, requestTimeoutMs } = this.#o;
    const now = clock.nowMs();
    const kind = kindOf(request);
    measures.apply.observe(kind, isOk, (now - begunMs) / 1000);
    if (pending === undefined) return;
    measures.requests.observe(kind, isOk, (now + requestTimeoutMs - pending.expiresMs) / 1000);
  }

  #lookUp(entry: Entry): {
    readonly request: rpcpb.InternalRaftRequest;
    readonly pending: Pending | undefined;
  } {
    const own = this.#o.pending.takeByData(entry.data);
    if (own !== undefined) return { request: own.request, pending: own };
    const request = decodeLogged(entry.data);
    const id = request.header?.id ?? request.id;
    return { request, pending: this.#o.pending.takeById(id) };
  }

  #applyConfChange(entry: Entry): void {
    this.#o.faults.hit("beforeApplyOneConfChange");
    // Nobody proposes these: they carry no membership record. etcd panics, too.
    assert(entry.type === EntryType.ConfChange, `unknown entry type ${entry.type}`);
    this.#confChanges--;
    const node = this.#node as RawNode;
    const change = raftpb.decodeConfChange(entry.data);
    this.#o.onConfChange(change, (c) => {
      const confState = node.applyConfChange(asConfChangeV2(c));
      this.#o.state.backend.setMeta({ confState });
      return confState;
    });
  }
}

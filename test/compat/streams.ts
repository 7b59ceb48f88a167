// The watch streams of one server: what they delivered, in a form that two servers must share.

import type { Client, WatchStream } from "../../src/client/index.ts";
import type { WatchId } from "../../src/core/types.ts";
import type { mvccpb, rpcpb } from "../../src/proto/index.ts";
import { until } from "../until.ts";

/** One stream's answers. Batches depend on timing; what each watch saw, and in which order, not. */
class Stream {
  readonly #stream: WatchStream;
  readonly created: rpcpb.WatchResponse[] = [];
  readonly canceled: rpcpb.WatchResponse[] = [];
  readonly #events = new Map<number, mvccpb.Event[]>();
  /** Revision of the last event by watch. */
  readonly #last = new Map<number, number>();
  progressRevision = 0;
  failure: unknown;
  /** Broken promises of the protocol, whatever the other server does. */
  readonly violations: string[] = [];

  constructor(stream: WatchStream) {
    this.#stream = stream;
    void this.#receive();
  }

  async #receive(): Promise<void> {
    try {
      for await (const response of this.#stream) this.#take(response);
    } catch (error) {
      this.failure = error;
    }
  }

  #take(r: rpcpb.WatchResponse): void {
    if (r.created) this.created.push(r);
    else if (r.canceled) this.canceled.push(r);
    else if (Number(r.watchId) === -1 && r.events.length === 0) {
      this.progressRevision = Math.max(this.progressRevision, r.header?.revision ?? 0);
    }
    if (r.events.length === 0) return;
    const id = Number(r.watchId);
    const seen = this.#events.get(id) ?? [];
    this.#events.set(id, seen);
    const before = this.#last.get(id) ?? 0;
    const first = r.events[0]?.kv?.modRevision ?? 0;
    if (first < before) this.violations.push(`watch ${id}: revision ${first} after ${before}`);
    if (first === before && !this.#fragmented) {
      this.violations.push(`watch ${id}: revision ${first} is split over answers`);
    }
    this.#fragmented = r.fragment;
    if (this.progressRevision >= first) {
      this.violations.push(
        `watch ${id}: revision ${first} after progress ${this.progressRevision}`,
      );
    }
    seen.push(...r.events);
    this.#last.set(id, r.events.at(-1)?.kv?.modRevision ?? 0);
  }

  /** Events by watch since the last call. */
  takeEvents(): [watchId: number, events: mvccpb.Event[]][] {
    const events = [...this.#events].sort(([a], [b]) => a - b);
    this.#events.clear();
    return events;
  }
  #fragmented = false;
  #latestStart = 0;

  async create(request: rpcpb.WatchCreateRequest): Promise<void> {
    const before = this.created.length;
    this.#latestStart = Math.max(this.#latestStart, request.startRevision);
    this.#stream.create(request);
    await this.until(() => this.created.length > before, "created");
  }

  async cancel(watchId: number): Promise<void> {
    const known = this.created.some((r) => Number(r.watchId) === watchId && !r.canceled);
    const gone = this.canceled.some((r) => Number(r.watchId) === watchId);
    const before = this.canceled.length;
    this.#stream.cancel(watchId as WatchId);
    // An unknown id is met with silence.
    if (known && !gone) await this.until(() => this.canceled.length > before, "canceled");
  }

  /** Waits until all watches of the stream have delivered everything up to `revision`, or `orElse` holds. */
  async sync(revision: number, orElse: () => boolean = () => false): Promise<void> {
    const alive = this.created.filter(
      (r) => !r.canceled && !this.canceled.some((c) => c.watchId === r.watchId),
    );
    // A watch of the future reports no progress before its start has come.
    if (alive.length === 0 || revision < this.#latestStart) return;
    const ask = setInterval(() => this.#stream.progress(), 20);
    this.#stream.progress();
    try {
      const isThere = (): boolean => this.progressRevision >= revision || orElse();
      await this.until(isThere, `progress to ${revision}`);
    } finally {
      clearInterval(ask);
    }
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    await until(`the watch stream's ${what}`, () => holds() || this.failure !== undefined);
    if (!holds()) throw this.failure;
  }

  close(): void {
    this.#stream[Symbol.dispose]();
  }
}

export class Streams {
  readonly #streams = new Map<number, Stream>();

  async open(
    client: Client,
    name: number,
    requests: readonly rpcpb.WatchCreateRequest[],
    revision: number,
  ): Promise<unknown> {
    const stream = new Stream(await client.watch.open());
    this.#streams.set(name, stream);
    for (const request of requests) await stream.create(request);
    if (requests.some((r) => r.startRevision > revision)) return stream.created;
    // A watch whose start is compacted is acknowledged, then canceled; the rest catches up now, so
    // that later compactions find all of them at the same place.
    const compacted = (): boolean =>
      stream.created.every(
        (r) => r.canceled || stream.canceled.some((c) => c.watchId === r.watchId),
      );
    await stream.sync(revision, compacted);
    return stream.created;
  }

  async cancel(name: number, watchId: number): Promise<unknown> {
    const stream = this.#streams.get(name);
    await stream?.cancel(watchId);
    return stream?.canceled;
  }

  /** What all streams delivered since the last call, once all are at `revision`. */
  async collect(revision: number): Promise<unknown> {
    const result = [...this.#streams].map(async ([name, stream]) => {
      await stream.sync(revision);
      const { created, canceled, violations } = stream;
      if (violations.length > 0) throw new Error(`stream ${name}: ${violations.join("; ")}`);
      return { name, created: [...created], canceled: [...canceled], events: stream.takeEvents() };
    });
    return Promise.all(result);
  }

  /** Ends one stream after it has told all it has. */
  async end(name: number, revision: number): Promise<unknown> {
    const stream = this.#streams.get(name);
    if (stream === undefined) return undefined;
    await stream.sync(revision);
    this.#streams.delete(name);
    stream.close();
    return stream.takeEvents();
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }
}

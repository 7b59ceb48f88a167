// A watch stream whose answers are kept in the order in which they came, and told in words that two
// servers must share.

import type { Client, WatchStream } from "../../../src/client/index.ts";
import type { Revision, WatchId } from "../../../src/core/types.ts";
import type { mvccpb, rpcpb } from "../../../src/proto/index.ts";
import { until } from "../../until.ts";

/** What a test asks for: key and end as text, the rest as in the request. */
export interface Wanted {
  readonly key?: string;
  readonly end?: string;
  readonly start?: number;
  readonly id?: number;
  readonly filters?: readonly number[];
  readonly prevKv?: boolean;
  readonly fragment?: boolean;
  readonly progressNotify?: boolean;
}

const text = (bytes: Uint8Array): string => {
  const whole = Buffer.from(bytes).toString("latin1");
  return whole.length > 40 ? `${whole.slice(0, 8)}...(${whole.length} bytes)` : whole;
};

export class Tape implements Disposable {
  readonly #stream: WatchStream;
  /** Revisions are told as their distance from here, so that what came before does not matter. */
  readonly #base: number;
  readonly answers: rpcpb.WatchResponse[] = [];
  #failure: unknown;

  private constructor(stream: WatchStream, base: number) {
    this.#stream = stream;
    this.#base = base;
    void this.#record();
  }

  static async open(client: Client, base: number): Promise<Tape> {
    return new Tape(await client.watch.open({ timeoutMs: 600_000 }), base);
  }

  async #record(): Promise<void> {
    try {
      for await (const answer of this.#stream) this.answers.push(answer);
    } catch (error) {
      this.#failure = error;
    }
  }

  /** Asks for a watch and waits for the answer to that. */
  async create(wanted: Wanted): Promise<rpcpb.WatchResponse> {
    const before = this.#created().length;
    this.ask(wanted);
    return await this.#until("created", () => this.#created()[before]);
  }

  ask(wanted: Wanted): void {
    this.#stream.create({
      key: Buffer.from(wanted.key ?? "", "latin1"),
      rangeEnd: Buffer.from(wanted.end ?? "", "latin1"),
      startRevision: (wanted.start ?? 0) as Revision,
      watchId: (wanted.id ?? 0) as WatchId,
      filters: [...(wanted.filters ?? [])] as rpcpb.FilterType[],
      prevKv: wanted.prevKv ?? false,
      fragment: wanted.fragment ?? false,
      progressNotify: wanted.progressNotify ?? false,
    });
  }

  cancel(id: number): void {
    this.#stream.cancel(id as WatchId);
  }

  progress(): void {
    this.#stream.progress();
  }

  async canceled(id: number): Promise<rpcpb.WatchResponse> {
    return await this.#until(`cancel of ${id}`, () =>
      this.answers.find((r) => r.canceled && !r.created && Number(r.watchId) === id),
    );
  }

  /** Waits for so many events of one watch. */
  async events(id: number, count: number): Promise<void> {
    await this.#until(`${count} events of ${id}`, () => this.#eventsOf(id).length >= count);
  }

  /** Asks for progress until it is told at or above the revision. */
  async progressTo(revision: number): Promise<void> {
    await this.#until(`progress to ${revision}`, () => {
      const told = this.progresses(-1);
      if (told.some((r) => (r.header?.revision ?? 0) >= revision)) return true;
      this.progress();
      return false;
    });
  }

  progresses(id: number): rpcpb.WatchResponse[] {
    return this.answers.filter(
      (r) => Number(r.watchId) === id && !r.created && !r.canceled && r.events.length === 0,
    );
  }

  /** What each watch was told, in order; how events were put together into answers is not in it. */
  told(): { readonly created: unknown; readonly canceled: unknown; readonly events: unknown } {
    const canceled = this.answers
      .filter((r) => r.canceled && !r.created)
      .sort((a, b) => Number(a.watchId) - Number(b.watchId));
    const ids = [...new Set(this.answers.filter((r) => r.events.length > 0).map((r) => r.watchId))];
    return {
      created: this.#created().map((r) => this.control(r)),
      canceled: canceled.map((r) => this.control(r)),
      events: ids
        .map((id) => [Number(id), this.#eventsOf(Number(id)).map((e) => this.#event(e))] as const)
        .sort(([a], [b]) => a - b),
    };
  }

  control(r: rpcpb.WatchResponse): unknown {
    return {
      id: String(r.watchId),
      created: r.created,
      canceled: r.canceled,
      reason: r.cancelReason,
      at: this.relative(r.header?.revision ?? -1),
      compact: this.relative(r.compactRevision),
    };
  }

  relative(revision: number): string {
    return revision <= 0 ? String(revision) : `base+${revision - this.#base}`;
  }

  #event({ type, kv, prevKv }: mvccpb.Event): string {
    const prev = prevKv === undefined ? "" : ` before: ${this.#pair(prevKv)}`;
    return `${type === 0 ? "PUT" : "DELETE"} ${kv && this.#pair(kv)}${prev}`;
  }

  #pair(kv: mvccpb.KeyValue): string {
    const revisions = `${this.relative(kv.createRevision)}/${this.relative(kv.modRevision)}`;
    return `${text(kv.key)}=${text(kv.value)} ${revisions} v${kv.version} lease ${kv.lease}`;
  }

  #eventsOf(id: number): mvccpb.Event[] {
    return this.answers.filter((r) => Number(r.watchId) === id).flatMap((r) => r.events);
  }

  #created(): rpcpb.WatchResponse[] {
    return this.answers.filter((r) => r.created);
  }

  async #until<T>(what: string, look: () => T | undefined | false): Promise<T> {
    return await until(
      what,
      () => {
        if (this.#failure !== undefined) throw this.#failure;
        return look();
      },
      30,
    );
  }

  [Symbol.dispose](): void {
    this.#stream[Symbol.dispose]();
  }
}

/** Watchers that follow the key space from member to member, with etcd's six guarantees checked. */
import type { WatchRecord, WatchStream } from "../../../src/core/mvcc/index.ts";
import { emptyBytes, fromLatin1, toLatin1 } from "../../../src/lib/bytes.ts";
import { mvccpb } from "../../../src/proto/index.ts";
import type { SimRandom } from "../random.ts";
import { Violation } from "../world.ts";
import type { World2 } from "./cluster.ts";
import { fromKv, same, show } from "./compare.ts";
import type { Host } from "./host.ts";
import { bounds } from "./model.ts";

export class Watcher {
  readonly #w: World2;
  readonly #random: SimRandom;
  readonly name: string;
  readonly #key: Uint8Array;
  readonly #rangeEnd: Uint8Array;
  readonly #start: string;
  readonly #end: string;
  readonly #prevKv: boolean;
  readonly #slowUs: number;
  /** All before this revision has been delivered; 0 until the first answer. */
  next: number;
  #host: Host | undefined;
  #stream: WatchStream | undefined;
  /** The stream that will be read soon. */
  #scheduled: WatchStream | undefined;

  constructor(w: World2, n: number) {
    this.#w = w;
    this.name = `watcher ${n}`;
    this.#random = w.world.random.fork(`watcher/${n}`);
    const whole = this.#random.chance(60);
    const k = `k${String(this.#random.below(w.swarm.keys)).padStart(2, "0")}`;
    this.#key = fromLatin1(whole ? "k" : k);
    this.#rangeEnd = whole ? fromLatin1("l") : emptyBytes;
    [this.#start, this.#end] = bounds(this.#key, this.#rangeEnd);
    this.#prevKv = this.#random.chance(40);
    this.#slowUs = this.#random.pick([0, 0, 1_000, 300_000]);
    this.next = this.#random.chance(50) ? 1 : 0;
    w.onDeath.push((host) => {
      if (host !== this.#host) return;
      this.#stream = undefined;
      this.#host = undefined;
      this.#later();
    });
    this.#later();
  }

  /** Everything that has happened was delivered. */
  get caughtUp(): boolean {
    const { model } = this.#w.witness;
    if (this.next === 0 || this.#stream === undefined) return false;
    return model.events(this.#start, this.#end, this.next, model.revision).length === 0;
  }

  describe(): string {
    return `${this.name}: [${this.#start}, ${this.#end}) at ${this.#host?.name}, next revision ${this.next}`;
  }

  #later(): void {
    const delayUs = 1 + this.#random.geometric(50_000);
    this.#w.world.after(delayUs, undefined, "client", () => this.#open());
  }

  #open(): void {
    if (this.#stream !== undefined) return;
    const up = this.#w.serving.filter((h) => !h.member?.isLearner);
    const host = up.length === 0 ? undefined : this.#random.pick(up);
    const member = host?.member;
    if (host === undefined || member === undefined) {
      this.#later();
      return;
    }
    this.#host = host;
    const stream = member.kv.watches.openStream({
      maxRequestBytes: 1_572_864,
      budgetBytes: this.#random.pick([1, 2_000, 4 << 20]),
      onReadable: () => this.#schedule(host),
    });
    this.#stream = stream;
    const startRevision = this.next;
    this.#w.world.note(`${this.name} from ${startRevision}`, host.actor);
    member.state.whenWhole(() => {
      stream.create({
        key: this.#key,
        rangeEnd: this.#rangeEnd,
        startRevision,
        progressNotify: false,
        filters: [],
        prevKv: this.#prevKv,
        watchId: 0,
        fragment: false,
      });
      member.catchUpWatchers();
    });
  }

  #schedule(host: Host): void {
    const stream = this.#stream;
    if (this.#scheduled === stream) return;
    this.#scheduled = stream;
    const delayUs = this.#slowUs === 0 || this.#w.calm ? 0 : this.#random.below(this.#slowUs);
    const { actor } = host;
    this.#w.world.after(delayUs, undefined, "client", () => {
      // It runs in the member's process: not while that is stopped.
      this.#w.world.after(0, actor, "watch", () => {
        if (this.#stream !== stream) return;
        this.#scheduled = undefined;
        this.#drain(host);
      });
    });
  }

  #drain(host: Host): void {
    const stream = this.#stream;
    if (stream === undefined || this.#host !== host) return;
    if (this.#random.chance(10)) stream.requestProgress();
    const records = stream.take(this.#random.pick([1, 100, 256 << 10]));
    for (const record of records) {
      this.#take(record, host);
      if (this.#stream === undefined) return;
    }
    if (records.length > 0) this.#schedule(host);
    host.member?.catchUpWatchers();
    // Moves on to another member now and then: a watch is resumable.
    if (this.#random.chance(2) && this.next > 0) {
      stream.close();
      this.#stream = undefined;
      this.#later();
    }
  }

  #take(r: WatchRecord, host: Host): void {
    const { model } = this.#w.witness;
    if (r.canceled) {
      if (r.compactRevision === 0) this.#fail(host, `was canceled: ${r.cancelReason}`);
      if (this.next >= r.compactRevision || r.compactRevision > model.compactRevision) {
        this.#fail(host, `was canceled as compacted at ${r.compactRevision}`);
      }
      this.next = r.compactRevision;
      this.#stream?.close();
      this.#stream = undefined;
      this.#later();
      return;
    }
    if (r.created) {
      if (this.next === 0) this.next = r.revision + 1;
      return;
    }
    if (r.events.length === 0) this.#progress(r, host);
    else this.#events(r, host);
  }

  /** Bookmarkable: nothing at or below a progress notification comes later, or was left out. */
  #progress(r: WatchRecord, host: Host): void {
    const { model } = this.#w.witness;
    const left = model.events(this.#start, this.#end, this.next, r.revision);
    if (left.length > 0) {
      this.#fail(host, `progress ${r.revision}, but ${left[0]?.revision} was not delivered`);
    }
    this.next = Math.max(this.next, r.revision + 1);
  }

  /** Ordered, unique, atomic, reliable: just what the log says, whole revisions. */
  #events(r: WatchRecord, host: Host): void {
    const { model } = this.#w.witness;
    const got = r.events.map((e) => mvccpb.decodeEvent(e));
    const last = got.reduce((n, e) => Math.max(n, e.kv?.modRevision ?? 0), 0);
    const expected = model.events(this.#start, this.#end, this.next, last);
    const text = () =>
      `from ${this.next}: got [${got.map((e) => `${toLatin1(e.kv?.key ?? emptyBytes)}@${e.kv?.modRevision}`)}], expected [${expected.map((e) => `${e.key}@${e.revision}`)}]`;
    if (got.length !== expected.length) this.#fail(host, text());
    for (let i = 0; i < got.length; i++) {
      const e = got[i] as mvccpb.Event;
      const x = expected[i] as (typeof expected)[number];
      const kv = e.kv;
      const put = e.type === 0;
      if (kv === undefined || kv.modRevision !== x.revision || toLatin1(kv.key) !== x.key) {
        this.#fail(host, text());
      }
      if (put !== (x.now !== undefined) || (put && !same(fromKv(kv), x.now))) {
        this.#fail(host, `got ${show(fromKv(kv))}, expected ${show(x.now)} at ${x.revision}`);
      }
      if (e.prevKv !== undefined && !same(fromKv(e.prevKv), x.before)) {
        this.#fail(host, `before ${x.revision}: ${show(fromKv(e.prevKv))}, not ${show(x.before)}`);
      }
    }
    if (r.revision < last) this.#fail(host, `header ${r.revision} below its events at ${last}`);
    this.#w.witness.events += got.length;
    this.next = last + 1;
  }

  #fail(host: Host, message: string): never {
    throw new Violation(`${this.name} at ${host.name}: ${message}`);
  }
}

/**
 * All watchers of a store. A synced watcher gets the events of each write while it is merged: every
 * event is encoded once for all. An unsynced one (started in the past, or its stream was full)
 * catches up in rounds of `syncUnsynced` and never holds up a writer.
 */
import { fromLatin1 } from "../../lib/bytes.ts";
import { noLease, type Revision } from "../types.ts";
import type { KeyTree } from "./key-tree.ts";
import { encodeEvent, encodeKeyValue, putEventOf } from "./key-value.ts";
import { MissingRows } from "./missing-rows.ts";
import type { Change } from "./session.ts";
import type {
  Missing,
  RowRef,
  SyncResult,
  ValueStore,
  WatchHub,
  WatchStream,
  WatchStreamOptions,
} from "./types.ts";
import { Backlog, CatchUp, type MissedEvent } from "./watch-catch-up.ts";
import { WatchedRanges } from "./watch-ranges.ts";
import { Stream, type StreamOwner, type Watcher } from "./watch-stream.ts";

/** Events of one catch-up record. */
const batchEvents = 512;
const batchBytes = 1024 * 1024;
/** Backlogs kept for other watchers that start where one did. */
const backlogsKept = 4;
const noBytes = new Uint8Array(0);

/** The store as the hub sees it. */
export interface WatchedStore {
  readonly tree: () => KeyTree;
  readonly revision: () => Revision;
  readonly compactRevision: () => number;
  readonly onWork: () => void;
}

export class Hub implements WatchHub, StreamOwner {
  readonly #values: ValueStore;
  readonly #store: WatchedStore;
  readonly #synced = new WatchedRanges<Watcher>();
  #syncedCount = 0;
  /** In the order in which they are served. */
  readonly #unsynced = new Set<Watcher>();
  readonly #streams = new Set<Stream>();
  /** Newest first. */
  #backlogs: Backlog[] = [];
  /** Set while the store is being restored: the revision it had before. */
  #restoringFrom: Revision | undefined;

  constructor(values: ValueStore, store: WatchedStore) {
    this.#values = values;
    this.#store = store;
  }

  get revision(): number {
    return this.#restoringFrom ?? this.#store.revision();
  }

  get watcherCount(): number {
    return this.#syncedCount + this.#unsynced.size;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get unsyncedCount(): number {
    return this.#unsynced.size;
  }

  openStream(options: WatchStreamOptions): WatchStream {
    const stream = new Stream(this, options);
    this.#streams.add(stream);
    return stream;
  }

  /** Hands the events of one write to the synced watchers. */
  notify(revision: Revision, changes: readonly Change[]): void {
    if (this.#syncedCount === 0) return;
    const late: Watcher[] = [];
    for (const change of changes) {
      let plain: Uint8Array | undefined;
      let withPrev: Uint8Array | "missing" | undefined;
      this.#synced.forEach(change.key, (watchers) => {
        for (const watcher of watchers) {
          if (watcher.state !== "synced" || watcher.startRevision > revision) continue;
          if (!watcher.wants(change.tombstone)) continue;
          let event: Uint8Array | "missing";
          if (watcher.prevKv) {
            withPrev ??= this.#eventWithPrev(revision, change);
            event = withPrev;
          } else {
            plain ??= eventOf(revision, change);
            event = plain;
          }
          if (event !== "missing" && watcher.stream.pushEvent(watcher, revision, event)) continue;
          watcher.stream.withdrawRevision(watcher, revision);
          watcher.state = "unsynced";
          late.push(watcher);
        }
      });
    }
    for (const watcher of late) {
      this.#synced.remove(watcher);
      this.#syncedCount--;
      this.#catchUpFrom(watcher, revision);
    }
  }

  syncUnsynced(budget: number): SyncResult {
    if (this.#restoringFrom !== undefined) return { kind: "idle" };
    let left = Math.max(1, budget);
    const waiting = this.#unsynced.size;
    for (let i = 0; i < waiting && left > 0; i++) {
      const watcher = this.#nextReady();
      if (watcher === undefined) return { kind: "idle" };
      while (left > 0 && watcher.state === "unsynced" && !watcher.stream.full) {
        const step = this.#step(watcher, left);
        if (typeof step !== "number") return step;
        left -= Math.max(1, step);
        if (watcher.catchUp === undefined) break;
      }
      if (watcher.state !== "unsynced") continue;
      if (watcher.stream.full) watcher.catchUp = undefined;
      if (watcher.catchUp === undefined) this.#toBack(watcher);
    }
    if (this.#unsynced.size === 0) this.#backlogs = [];
    return this.#nextReady() === undefined ? { kind: "idle" } : { kind: "more" };
  }

  /**
   * Before the store forgets its index: until `restored` every watcher is unsynced, and none moves.
   * What the synced ones have seen is the history up to here.
   */
  beforeReset(): void {
    this.#restoringFrom ??= this.#store.revision();
    this.#backlogs = [];
    for (const stream of this.#streams) {
      for (const watcher of stream.watchers) {
        watcher.catchUp = undefined;
        if (watcher.state !== "synced") continue;
        this.#synced.remove(watcher);
        this.#syncedCount--;
        this.#catchUpFrom(watcher, Math.max(watcher.startRevision, this.#restoringFrom + 1));
      }
    }
  }

  restored(): void {
    this.#restoringFrom = undefined;
    if (this.#unsynced.size > 0) this.#store.onWork();
  }

  admit(watcher: Watcher): void {
    const revision = this.revision;
    const fromNow = watcher.startRevision === 0 || watcher.startRevision > revision;
    if (fromNow && this.#restoringFrom === undefined) this.#makeSynced(watcher);
    else this.#catchUpFrom(watcher, watcher.startRevision || revision + 1);
  }

  dismiss(watcher: Watcher): void {
    if (watcher.state === "synced") {
      this.#synced.remove(watcher);
      this.#syncedCount--;
    }
    this.#unsynced.delete(watcher);
    watcher.state = "ended";
    watcher.catchUp = undefined;
  }

  closed(stream: Stream): void {
    this.#streams.delete(stream);
  }

  drained(stream: Stream): void {
    if (this.#unsynced.size === 0 || stream.full) return;
    for (const watcher of stream.watchers) {
      if (watcher.state !== "unsynced") continue;
      this.#store.onWork();
      return;
    }
  }

  #makeSynced(watcher: Watcher): void {
    this.#unsynced.delete(watcher);
    watcher.catchUp = undefined;
    watcher.state = "synced";
    watcher.nextRevision = 0;
    this.#synced.add(watcher);
    this.#syncedCount++;
  }

  #catchUpFrom(watcher: Watcher, revision: number): void {
    watcher.state = "unsynced";
    watcher.nextRevision = revision;
    this.#unsynced.add(watcher);
    this.#store.onWork();
  }

  #nextReady(): Watcher | undefined {
    for (const watcher of this.#unsynced) if (!watcher.stream.full) return watcher;
    return undefined;
  }

  #toBack(watcher: Watcher): void {
    this.#unsynced.delete(watcher);
    this.#unsynced.add(watcher);
  }

  /** One piece of work for a watcher: the cost of it, or the rows it lacks. */
  #step(watcher: Watcher, budget: number): number | Missing {
    const compacted = this.#store.compactRevision();
    if (watcher.nextRevision < compacted) {
      this.dismiss(watcher);
      watcher.stream.endCompacted(watcher, compacted);
      return 1;
    }
    const revision = this.revision;
    if (watcher.nextRevision > revision) {
      this.#makeSynced(watcher);
      return 1;
    }
    watcher.catchUp ??= new CatchUp(this.#backlogFor(watcher, revision));
    const { catchUp } = watcher;
    const { backlog } = catchUp;
    if (!backlog.complete) return backlog.walk(this.#store.tree(), budget);
    if (!catchUp.exhausted) return this.#deliver(watcher, catchUp);
    watcher.nextRevision = backlog.target + 1;
    watcher.catchUp = undefined;
    if (backlog.target === revision) this.#makeSynced(watcher);
    return 1;
  }

  /** A recent backlog that is just what the watcher has missed, or a new one. */
  #backlogFor(watcher: Watcher, revision: number): Backlog {
    const known = this.#backlogs.find((backlog) => backlog.serves(watcher));
    if (known !== undefined) return known;
    const backlog = new Backlog(watcher, revision);
    this.#backlogs.unshift(backlog);
    if (this.#backlogs.length > backlogsKept) this.#backlogs.pop();
    return backlog;
  }

  #deliver(watcher: Watcher, catchUp: CatchUp): number | Missing {
    const { backlog } = catchUp;
    const batch = catchUp.peek(batchEvents);
    const missing = new MissingRows();
    const events: Uint8Array[] = [];
    let bytes = 0;
    let count = 0;
    for (const missed of batch) {
      const wholeRevisions = count === 0 || missed.main !== batch[count - 1]!.main;
      if (wholeRevisions && bytes >= Math.min(watcher.stream.room, batchBytes)) break;
      const event = missed.encoded ?? this.#missedEvent(missed, missing);
      count++;
      if (event === undefined) continue;
      if (missed.encoded === undefined) backlog.keep(missed, event);
      events.push(event);
      bytes += event.length;
    }
    if (!missing.none) return missing.answer();
    catchUp.advance(count);
    const last = batch[count - 1]!.main;
    watcher.nextRevision = last + 1;
    watcher.stream.pushBatch(watcher, catchUp.exhausted ? backlog.target : last, events);
    return count;
  }

  #missedEvent(missed: MissedEvent, missing: MissingRows): Uint8Array | undefined {
    const { key, main, sub, tombstone, prevMain, prevSub } = missed;
    const read = (row: RowRef): Uint8Array | undefined => {
      const bytes = this.#values.get(row.main, row.sub);
      if (bytes === undefined) missing.add(row);
      return bytes;
    };
    const kv = tombstone ? deletedKeyValue(key, main) : read({ main: main as Revision, sub });
    const readable = prevMain !== 0 && main - 1 >= this.#store.compactRevision();
    const prev = readable ? read({ main: prevMain as Revision, sub: prevSub }) : undefined;
    if (kv === undefined || (readable && prev === undefined)) return undefined;
    return encodeEvent(tombstone, kv, prev);
  }

  /** The event with the value before it, if there was one; "missing" when that is not in memory. */
  #eventWithPrev(revision: Revision, change: Change): Uint8Array | "missing" {
    const { table } = this.#store.tree();
    const prev = table.at(change.old, revision - 1);
    const isCreate = !change.tombstone && table.create(change.record) === revision;
    if (prev === 0 || isCreate || table.tombstone(prev)) return eventOf(revision, change);
    const bytes = this.#values.get(table.main(prev), table.sub(prev));
    if (bytes === undefined) return "missing";
    const kv = change.tombstone ? deletedKeyValue(change.key, revision) : change.bytes;
    return encodeEvent(change.tombstone, kv, bytes);
  }
}

/** A delete's event has only the key and the revision of the deletion. */
const deletedKeyValue = (key: string, revision: number): Uint8Array =>
  encodeKeyValue(fromLatin1(key), 0, revision, 0, noBytes, noLease);

const eventOf = (revision: Revision, change: Change): Uint8Array =>
  change.tombstone
    ? encodeEvent(true, deletedKeyValue(change.key, revision), undefined)
    : putEventOf(change.bytes);

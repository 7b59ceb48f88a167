/**
 * Catching up: which events a watcher has missed. The index knows them without reading the history:
 * a walk over the watched range that skips whatever has not changed since. The walk is cut into
 * slices, the result is bounded: of a longer backlog only the oldest part is kept, and the rest is
 * found by the next walk.
 *
 * Watchers of one range that start at one revision (a client that reconnects with all its watches)
 * share a backlog, and with it the events that were encoded for the first of them.
 */
import type { KeyTree } from "./key-tree.ts";
import type { RecordId } from "./revision-table.ts";
import type { Watcher } from "./watch-stream.ts";

/** One event to be: where its value and the value before it are. */
export interface MissedEvent {
  readonly key: string;
  readonly main: number;
  readonly sub: number;
  readonly tombstone: boolean;
  /** Row of the value before; main 0 when there is none or it is not wanted. */
  readonly prevMain: number;
  readonly prevSub: number;
  /** Kept for other watchers, as far as the backlog's budget goes. */
  encoded: Uint8Array | undefined;
}

/** A backlog holds at most twice this many events. */
const backlogEvents = 8192;
/** Encoded events that a backlog keeps. */
const encodedBytesMax = 4 * 1024 * 1024;

export class Backlog {
  readonly #like: Watcher;
  /** The first revision in it. */
  readonly from: number;
  /** Once complete, every event from `from` to here is in it. */
  target: number;
  readonly events: MissedEvent[] = [];
  #cursor: string | undefined;
  #encodedBytes = 0;

  /** For a watcher and those like it. */
  constructor(watcher: Watcher, target: number) {
    this.#like = watcher;
    this.from = watcher.nextRevision;
    this.target = target;
    this.#cursor = watcher.start;
  }

  /** True once the walk is over and the events are in order. */
  get complete(): boolean {
    return this.#cursor === undefined;
  }

  /** Whether it is just what that watcher has missed. */
  serves(watcher: Watcher): boolean {
    const like = this.#like;
    return (
      watcher.nextRevision === this.from &&
      watcher.start === like.start &&
      watcher.end === like.end &&
      watcher.prevKv === like.prevKv &&
      watcher.noPut === like.noPut &&
      watcher.noDelete === like.noDelete
    );
  }

  /** Walks on, visiting at most about `budget` records; returns how many it visited. */
  walk(tree: KeyTree, budget: number): number {
    const start = this.#cursor!;
    this.#cursor = undefined;
    let visited = 0;
    tree.visit({ start, end: this.#like.end }, this.from - 1, (key, head) => {
      if (visited >= budget) {
        this.#cursor = key;
        return false;
      }
      visited += 1 + this.#collect(tree, key, head);
      return true;
    });
    if (this.events.length > backlogEvents || this.complete) this.#order();
    return visited;
  }

  /** Keeps the encoded form of one of its events for the next watcher, if there is room. */
  keep(event: MissedEvent, encoded: Uint8Array): void {
    if (this.#encodedBytes + encoded.length > encodedBytesMax) return;
    this.#encodedBytes += encoded.length;
    event.encoded = encoded;
  }

  #collect(tree: KeyTree, key: string, head: RecordId): number {
    const { table } = tree;
    const like = this.#like;
    let visited = 0;
    for (let id = table.at(head, this.target); id !== 0; id = table.prev(id), visited++) {
      const main = table.main(id);
      if (main < this.from) break;
      const tombstone = table.tombstone(id);
      if (!like.wants(tombstone)) continue;
      const hasPrev = like.prevKv && (tombstone || table.create(id) !== main);
      const prev = hasPrev ? table.at(table.prev(id), main - 1) : 0;
      const exists = prev !== 0 && !table.tombstone(prev);
      this.events.push({
        key,
        main,
        sub: table.sub(id),
        tombstone,
        prevMain: exists ? table.main(prev) : 0,
        prevSub: exists ? table.sub(prev) : 0,
        encoded: undefined,
      });
    }
    return visited;
  }

  /** Sorts by revision; what is too long is cut behind a whole revision, and the target lowered. */
  #order(): void {
    const { events } = this;
    events.sort((a, b) => a.main - b.main || a.sub - b.sub);
    if (events.length <= backlogEvents) return;
    let keep = backlogEvents;
    while (keep < events.length && events[keep]!.main === events[keep - 1]!.main) keep++;
    if (keep === events.length) return;
    events.length = keep;
    this.target = events[keep - 1]!.main;
  }
}

/** How far one watcher has got in a backlog. */
export class CatchUp {
  readonly backlog: Backlog;
  #next = 0;

  constructor(backlog: Backlog) {
    this.backlog = backlog;
  }

  get exhausted(): boolean {
    return this.#next === this.backlog.events.length;
  }

  /** The next events: whole revisions, at most about `limit` events; empty at the end. */
  peek(limit: number): readonly MissedEvent[] {
    const { events } = this.backlog;
    let end = Math.min(this.#next + limit, events.length);
    while (end > this.#next && end < events.length && events[end]!.main === events[end - 1]!.main) {
      end++;
    }
    return events.slice(this.#next, end);
  }

  advance(count: number): void {
    this.#next += count;
  }
}

/**
 * One watch stream: its watchers and what waits to be sent. The stream never pushes; its owner takes
 * records when the socket has room. What waits is bounded in bytes: a watcher whose events no longer
 * fit becomes unsynced and catches up from the history later.
 */
import { toLatin1 } from "../../lib/bytes.ts";
import {
  type WatchCreateRequest,
  WatchFilter,
  type WatchRecord,
  type WatchStream,
  type WatchStreamOptions,
} from "./types.ts";
import type { CatchUp } from "./watch-catch-up.ts";
import type { Watching } from "./watch-ranges.ts";

/** The watch id of answers that belong to no watcher. */
const noWatchId = -1;
/** Events of several revisions share a record up to this size. */
const coalesceBytes = 128 * 1024;
/** A stream lags when its queue holds more than this fraction (1/n) of its budget. */
const lagFraction = 8;
/** What a response costs beside its events, for deciding on fragments. */
const recordOverheadBytes = 64;
/** Tag and length of an event in a response. */
const eventOverheadBytes = 5;

/** A record in the queue. */
interface Queued extends WatchRecord {
  revision: number;
  events: Uint8Array[];
  bytes: number;
  splittable: boolean;
  /** Created, canceled or progress; other records are worth sending only with events. */
  control: boolean;
  /** The stream's epoch when it was queued; an older record takes no more events. */
  epoch: number;
}

/** What a stream needs of the hub. */
export interface StreamOwner {
  readonly revision: number;
  /** Registers a watcher as synced or unsynced, by its first revision. */
  admit(watcher: Watcher): void;
  dismiss(watcher: Watcher): void;
  closed(stream: Stream): void;
  /** The stream has room again. */
  drained(stream: Stream): void;
}

export class Watcher implements Watching {
  readonly stream: Stream;
  readonly id: number;
  readonly start: string;
  readonly end: string | undefined;
  readonly single: boolean;
  readonly startRevision: number;
  readonly prevKv: boolean;
  readonly fragment: boolean;
  readonly progressNotify: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  /** The first revision not yet queued for it; meaningful while unsynced. */
  nextRevision = 0;
  /** "ended": cancelled by compaction, its id is still taken until the client cancels it. */
  state: "synced" | "unsynced" | "ended" = "unsynced";
  catchUp: CatchUp | undefined;
  /** Whether the next progress tick should notify: no events went out since the last. */
  progressDue = true;
  /** The record that may take further events. */
  open: Queued | undefined;
  /** The revision being queued, and how to take it back. */
  revisionAt = 0;
  eventsBefore = 0;
  bytesBefore = 0;
  revisionBefore = 0;

  constructor(stream: Stream, id: number, request: WatchCreateRequest) {
    const { key, rangeEnd } = request;
    this.stream = stream;
    this.id = id;
    this.start = key.length === 0 ? "\0" : toLatin1(key);
    this.single = rangeEnd.length === 0;
    const open = rangeEnd.length === 1 && rangeEnd[0] === 0;
    this.end = this.single ? `${this.start}\0` : open ? undefined : toLatin1(rangeEnd);
    this.startRevision = request.startRevision;
    this.prevKv = request.prevKv;
    this.fragment = request.fragment;
    this.progressNotify = request.progressNotify;
    this.noPut = request.filters.includes(WatchFilter.NoPut);
    this.noDelete = request.filters.includes(WatchFilter.NoDelete);
  }

  wants(tombstone: boolean): boolean {
    return tombstone ? !this.noDelete : !this.noPut;
  }
}

export class Stream implements WatchStream {
  readonly #owner: StreamOwner;
  readonly #options: WatchStreamOptions;
  readonly #watchers = new Map<number, Watcher>();
  #queue: Queued[] = [];
  #first = 0;
  #queuedBytes = 0;
  #nextId = 0;
  #epoch = 0;
  #closed = false;

  constructor(owner: StreamOwner, options: WatchStreamOptions) {
    this.#owner = owner;
    this.#options = options;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  get watchers(): Iterable<Watcher> {
    return this.#watchers.values();
  }

  /** True when no more events should be queued until some were taken. */
  get full(): boolean {
    return this.#queuedBytes >= this.#options.budgetBytes;
  }

  /** Room for events, in bytes. */
  get room(): number {
    return Math.max(0, this.#options.budgetBytes - this.#queuedBytes);
  }

  create(request: WatchCreateRequest, refusal?: string): void {
    if (this.#closed) return;
    if (request.startRevision < 0) {
      this.reject("etcdserver: mvcc: required revision has been compacted");
      return;
    }
    if (refusal !== undefined) {
      this.reject(refusal);
      return;
    }
    const id = request.watchId === 0 ? this.#freeId() : request.watchId;
    const watcher = new Watcher(this, id, request);
    if (watcher.end !== undefined && watcher.start >= watcher.end) {
      this.reject("mvcc: watcher range is empty");
      return;
    }
    if (this.#watchers.has(id)) {
      this.reject("mvcc: duplicate watch ID provided on the WatchStream");
      return;
    }
    if (request.watchId === 0) this.#nextId = id + 1;
    this.#watchers.set(id, watcher);
    this.#push(this.#control(id, { created: true }));
    this.#owner.admit(watcher);
  }

  reject(cancelReason: string): void {
    if (this.#closed) return;
    this.#push(this.#control(noWatchId, { created: true, canceled: true, cancelReason }));
  }

  cancel(watchId: number): void {
    const watcher = this.#watchers.get(watchId);
    if (watcher === undefined) return;
    this.#watchers.delete(watchId);
    this.#owner.dismiss(watcher);
    this.#push(this.#control(watchId, { canceled: true }));
  }

  /** Ends a watcher whose next revision is compacted; its id stays taken, as in etcd. */
  endCompacted(watcher: Watcher, compactRevision: number): void {
    this.#push(this.#control(watcher.id, { canceled: true, compactRevision, revision: 0 }));
  }

  requestProgress(): void {
    // One that compaction has ended holds the others up until the client cancels it, as in etcd.
    for (const watcher of this.#watchers.values()) if (!this.#progressed(watcher)) return;
    if (this.#watchers.size > 0) this.#pushProgress(noWatchId);
  }

  progressTick(): void {
    for (const watcher of this.#watchers.values()) {
      if (!watcher.progressNotify) continue;
      if (watcher.progressDue && this.#progressed(watcher)) this.#pushProgress(watcher.id);
      watcher.progressDue = true;
    }
  }

  take(maxBytes: number): WatchRecord[] {
    const taken: WatchRecord[] = [];
    let bytes = 0;
    while (this.#first < this.#queue.length && (taken.length === 0 || bytes < maxBytes)) {
      const record = this.#queue[this.#first++]!;
      bytes += record.bytes;
      if (record.events.length === 0 && !record.control) continue;
      if (record.splittable) taken.push(...split(record, this.#options.maxRequestBytes));
      else taken.push(record);
    }
    if (this.#first === this.#queue.length) {
      this.#queue = [];
      this.#first = 0;
    }
    this.#epoch++;
    this.#queuedBytes -= bytes;
    if (bytes > 0) this.#owner.drained(this);
    return taken;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const watcher of this.#watchers.values()) this.#owner.dismiss(watcher);
    this.#watchers.clear();
    this.#queue = [];
    this.#first = 0;
    this.#queuedBytes = 0;
    this.#owner.closed(this);
  }

  /**
   * Queues one event of `revision`. Answers false, and has queued nothing of this revision, when the
   * stream is full: the watcher must catch up from that revision.
   */
  pushEvent(watcher: Watcher, revision: number, event: Uint8Array): boolean {
    if (watcher.revisionAt !== revision) {
      if (this.full) return false;
      this.#beginRevision(watcher, revision);
    }
    const record = watcher.open!;
    const bytes = event.length + eventOverheadBytes;
    // An event is a view of a larger buffer. A stream that is read soon shares it; one that lags
    // would keep many buffers alive for a little of each, and copies.
    const lags = this.#queuedBytes * lagFraction > this.#options.budgetBytes;
    record.events.push(lags ? event.slice() : event);
    record.bytes += bytes;
    record.revision = revision;
    this.#queuedBytes += bytes;
    watcher.progressDue = false;
    return true;
  }

  /** Takes back what was queued of the watcher's latest revision. */
  withdrawRevision(watcher: Watcher, revision: number): void {
    const record = watcher.open;
    if (watcher.revisionAt !== revision || record === undefined) return;
    record.events.length = watcher.eventsBefore;
    this.#queuedBytes -= record.bytes - watcher.bytesBefore;
    record.bytes = watcher.bytesBefore;
    record.revision = watcher.revisionBefore;
    watcher.revisionAt = 0;
  }

  /** Queues a batch of the history for an unsynced watcher. */
  pushBatch(watcher: Watcher, revision: number, events: Uint8Array[]): void {
    const record = this.#record(watcher.id);
    record.revision = revision;
    record.splittable = watcher.fragment;
    record.events = events;
    for (const event of events) record.bytes += event.length + eventOverheadBytes;
    watcher.open = undefined;
    watcher.revisionAt = 0;
    watcher.progressDue = false;
    this.#push(record);
  }

  #beginRevision(watcher: Watcher, revision: number): void {
    let record = watcher.open;
    if (record === undefined || record.epoch !== this.#epoch || record.bytes >= coalesceBytes) {
      record = this.#record(watcher.id);
      record.splittable = watcher.fragment;
      watcher.open = record;
      this.#push(record);
    }
    watcher.revisionAt = revision;
    watcher.eventsBefore = record.events.length;
    watcher.bytesBefore = record.bytes;
    watcher.revisionBefore = record.revision;
  }

  #pushProgress(watchId: number): void {
    this.#epoch++;
    this.#push(this.#control(watchId, {}));
  }

  #push(record: Queued): void {
    const wasEmpty = this.#first === this.#queue.length;
    this.#queue.push(record);
    this.#queuedBytes += record.bytes;
    if (wasEmpty) this.#options.onReadable();
  }

  #control(watchId: number, what: Partial<WatchRecord>): Queued {
    return {
      ...this.#record(watchId),
      control: true,
      bytes: recordOverheadBytes,
      ...what,
      events: [],
    };
  }

  #record(watchId: number): Queued {
    return {
      watchId,
      revision: this.#owner.revision,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: "",
      fragment: false,
      events: [],
      bytes: 0,
      splittable: false,
      control: false,
      epoch: this.#epoch,
    };
  }

  #progressed(watcher: Watcher): boolean {
    return watcher.state === "synced" && this.#owner.revision >= watcher.startRevision;
  }

  #freeId(): number {
    let id = this.#nextId;
    while (this.#watchers.has(id)) id++;
    return id;
  }
}

/** Cuts a record into fragments below `maxBytes` where that is possible; all but the last say so. */
function split(record: Queued, maxBytes: number): WatchRecord[] {
  if (record.bytes + recordOverheadBytes < maxBytes || record.events.length < 2) return [record];
  const parts: WatchRecord[] = [];
  let events: Uint8Array[] = [];
  let bytes = recordOverheadBytes;
  for (const event of record.events) {
    const size = event.length + eventOverheadBytes;
    if (events.length > 0 && bytes + size >= maxBytes) {
      parts.push({ ...record, events, fragment: true });
      events = [];
      bytes = recordOverheadBytes;
    }
    events.push(event);
    bytes += size;
  }
  parts.push({ ...record, events, fragment: false });
  return parts;
}

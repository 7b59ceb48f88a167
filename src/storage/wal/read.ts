import type { Entry, HardState } from "../../core/raft/types.ts";
import type { Index, MemberId, Term } from "../../core/types.ts";
import type { Disk } from "../../ports/index.ts";
import { ProtoError, raftpb, walpb } from "../../proto/index.ts";
import { decodeMetadata, RecordType } from "./format.ts";
import { type LogEnd, scanLog } from "./scan.ts";
import { checkSequence, listSegments, type SegmentName } from "./segments.ts";
import {
  type ChooseSnapshot,
  type WalContents,
  WalError,
  type WalMetadata,
  type WalSnapshot,
} from "./types.ts";

/** A log as it was found. */
export interface ReadLog {
  readonly segments: SegmentName[];
  readonly contents: WalContents;
  readonly end: LogEnd;
  /** Of the last entry or marker saved: what the next segment is named after. */
  readonly lastIndex: number;
}

const rejoin = "Remove this member and add it again with an empty data folder";

/** Reads a whole log without changing it. Rejects with WalError. */
export async function readLog(disk: Disk, dir: string, choose: ChooseSnapshot): Promise<ReadLog> {
  const segments = await listSegments(disk, dir);
  checkSequence(dir, segments);
  const log = new Log((segments[0] as SegmentName).firstIndex);
  const end = await scanLog(disk, dir, segments, (type, data, bad) => log.take(type, data, bad));
  const contents = await log.contents(dir, choose);
  return { segments, contents, end, lastIndex: log.lastIndex };
}

/** Who the log belongs to, by the head of its oldest segment; nothing behind it is looked at. */
export async function readMetadata(disk: Disk, dir: string): Promise<WalMetadata> {
  const segments = await listSegments(disk, dir);
  checkSequence(dir, segments);
  let metadata: WalMetadata | undefined;
  const enough = new Error("the metadata was read");
  try {
    await scanLog(disk, dir, segments.slice(0, 1), (type, data) => {
      if (type === RecordType.metadata) metadata = decodeMetadata(data);
      throw enough; // it is the first record of every segment
    });
  } catch (error) {
    if (error !== enough) throw error;
  }
  if (metadata !== undefined) return metadata;
  throw new WalError("metadata", dir, -1, "the log names no member", rejoin);
}

/** Collects the records of a scan. */
class Log {
  lastIndex = 0;
  #metadata: WalMetadata | undefined;
  #hardState: HardState = { term: 0 as Term, vote: 0n as MemberId, commit: 0 as Index };
  readonly #markers: WalSnapshot[] = [];
  /** Index of the last received snapshot; its marker took the place of the log before it. */
  #received = 0;
  /** Entries #base + 1, #base + 2, ... */
  #entries: Entry[] = [];
  #base: number;

  /** `firstIndex`: of the oldest segment; what lies below was released. */
  constructor(firstIndex: number) {
    this.#base = Math.max(0, firstIndex - 1);
  }

  take(type: number, data: Uint8Array, bad: (what: string) => WalError): void {
    try {
      switch (type) {
        case RecordType.metadata:
          this.#takeMetadata(decodeMetadata(data), bad);
          return;
        case RecordType.entry:
          this.#takeEntry(raftpb.decodeEntry(data), bad);
          return;
        case RecordType.hardState:
          this.#hardState = raftpb.decodeHardState(data);
          return;
        case RecordType.snapshot:
          this.#takeMarker(walpb.decodeSnapshot(data));
          return;
        default:
          throw bad(`a record has the unknown type ${type}`);
      }
    } catch (error) {
      if (error instanceof ProtoError) throw bad(`a record does not decode (${error.message})`);
      throw error;
    }
  }

  /** What `choose` wants of it. Throws WalError when the log does not hold that. */
  async contents(dir: string, choose: ChooseSnapshot): Promise<WalContents> {
    const metadata = this.#metadata;
    if (metadata === undefined) {
      throw new WalError("metadata", dir, -1, "the log names no member", rejoin);
    }
    // The marker of a received snapshot is committed by itself: the hard state that says so may
    // not have been written any more.
    const committed = Math.max(this.#hardState.commit, this.#received);
    const valid = this.#markers.filter((m) => m.index <= committed);
    const snapshot = await choose(valid);
    const marker = this.#markers.find(
      (m) => m.index === snapshot.index && m.term === snapshot.term,
    );
    if (marker === undefined) {
      const what = `no marker for the snapshot at index ${snapshot.index}, term ${snapshot.term}`;
      throw new WalError("snapshot", dir, -1, what, rejoin);
    }
    const base = this.#base;
    if (base > snapshot.index) {
      const what = `entries ${snapshot.index + 1} to ${base} are missing`;
      throw new WalError("hole", dir, -1, what, rejoin);
    }
    const entries = this.#entries.slice(snapshot.index - base);
    return { metadata, hardState: this.#hardState, entries, snapshot: marker };
  }

  #takeMetadata(metadata: WalMetadata, bad: (what: string) => WalError): void {
    const before = this.#metadata;
    if (
      before !== undefined &&
      (before.nodeId !== metadata.nodeId || before.clusterId !== metadata.clusterId)
    ) {
      throw bad("the segment belongs to another member or cluster than the one before");
    }
    this.#metadata = metadata;
  }

  /** A later entry replaces the earlier one at its index and everything behind it. */
  #takeEntry(entry: Entry, bad: (what: string) => WalError): void {
    const place = entry.index - 1 - this.#base;
    if (place < 0) {
      this.#entries = [];
      this.#base = entry.index - 1;
    } else if (place > this.#entries.length) {
      throw bad(`entry ${entry.index} follows entry ${this.#base + this.#entries.length}`);
    } else {
      this.#entries.length = place;
    }
    this.#entries.push(entry);
    this.lastIndex = entry.index;
  }

  /**
   * A marker above the log, or of another term than the entry at its index, is that of a received
   * snapshot: it replaced the log, and what stood there may not come back.
   */
  #takeMarker(marker: WalSnapshot): void {
    this.#markers.push(marker);
    if (marker.index > this.lastIndex) this.lastIndex = marker.index;
    const place = marker.index - 1 - this.#base;
    if (marker.index === 0 || place < 0) return;
    if (this.#entries[place]?.term === marker.term) return;
    this.#entries = [];
    this.#base = marker.index;
    this.#received = marker.index;
  }
}

import type { Index } from "../../core/types.ts";
import type { Disk, File } from "../../ports/index.ts";
import { WalError } from "./types.ts";

/** A segment by its name, `%016x-%016x.wal`: sequence number and first entry it may hold. */
export interface SegmentName {
  readonly name: string;
  readonly seq: number;
  readonly firstIndex: Index;
}

const pattern = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/;

const hex16 = (n: number): string => n.toString(16).padStart(16, "0");

export function segmentName(seq: number, firstIndex: number): SegmentName {
  return {
    name: `${hex16(seq)}-${hex16(firstIndex)}.wal`,
    seq,
    firstIndex: firstIndex as Index,
  };
}

/** The segments in a folder, oldest first; other files are passed over. Rejects with ENOENT. */
export async function listSegments(disk: Disk, dir: string): Promise<SegmentName[]> {
  const found: SegmentName[] = [];
  for (const name of await disk.list(dir)) {
    const match = pattern.exec(name);
    if (match === null) continue;
    const seq = Number.parseInt(match[1] as string, 16);
    found.push({ name, seq, firstIndex: Number.parseInt(match[2] as string, 16) as Index });
  }
  return found.sort((a, b) => a.seq - b.seq);
}

/** Throws WalError when there is no segment, or one is missing between the first and the last. */
export function checkSequence(dir: string, segments: readonly SegmentName[]): void {
  if (segments.length === 0) {
    throw new WalError(
      "missing",
      dir,
      -1,
      "the folder holds no WAL segment",
      "Restore this member from a snapshot, or remove it and add it again with an empty data folder",
    );
  }
  for (let i = 1; i < segments.length; i++) {
    const before = segments[i - 1] as SegmentName;
    const here = segments[i] as SegmentName;
    if (here.seq === before.seq + 1) continue;
    throw new WalError(
      "missing",
      `${dir}/${here.name}`,
      -1,
      `it follows ${before.name}, so at least one segment between them is missing`,
      "Bring the missing file back, or remove this member and add it again with an empty data folder",
    );
  }
}

/**
 * Keeps zeros ahead of the place where records are appended, so that an append neither grows the
 * file nor allocates blocks (either would cost a journal commit per fsync), and a torn record
 * shows as a sector of zeros. Appends never cross the frontier while it moves: they wait.
 */
export class ZeroAhead {
  readonly #file: File;
  readonly #limit: number;
  readonly #step: number;
  #frontier: number;
  #growing: Promise<void> | undefined;

  /** `frontier`: all bytes from here on are beyond the end of the file. */
  constructor(file: File, frontier: number, limit: number, step: number) {
    this.#file = file;
    this.#frontier = frontier;
    this.#limit = limit;
    this.#step = step;
  }

  /** To be called before bytes up to `end` are written; starts the next step in the background. */
  async reserve(end: number): Promise<void> {
    while (end > this.#frontier && this.#frontier < this.#limit) await this.#grow();
    if (end > this.#frontier) this.#frontier = end;
    else if (end + this.#step / 2 > this.#frontier) void this.#grow().catch(() => {});
  }

  /** Whether bytes up to `end` may be written without waiting for a step. */
  covers(end: number): boolean {
    return end <= this.#frontier;
  }

  /** Waits for a step that is going on; its failure is found by the next append. */
  async settle(): Promise<void> {
    await this.#growing?.catch(() => {});
  }

  #grow(): Promise<void> {
    if (this.#growing === undefined) {
      const from = this.#frontier;
      const to = Math.min(this.#limit, from + this.#step);
      if (to <= from) return Promise.resolve();
      this.#growing = writeZeros(this.#file, from, to)
        .then(() => {
          this.#frontier = to;
        })
        .finally(() => {
          this.#growing = undefined;
        });
    }
    return this.#growing;
  }
}

const zeros = new Uint8Array(256 * 1024);

async function writeZeros(file: File, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += zeros.byteLength) {
    await file.write([zeros.subarray(0, Math.min(zeros.byteLength, to - at))], at);
  }
  await file.sync();
}

import type { Disk, File } from "../../ports/index.ts";
import { ProtoError, walpb } from "../../proto/index.ts";
import { crc32c } from "./crc32c.ts";
import { decodeFrameHeader, frameHeaderBytes, RecordType, recordHeadMax } from "./format.ts";
import type { SegmentName } from "./segments.ts";
import { WalError } from "./types.ts";

/** Where the log ends: what is behind `offset` in the last segment is to be cut off. */
export interface LogEnd {
  readonly offset: number;
  readonly crc: number;
  /** Why the scan stopped before the end of the file; undefined at zeros or the end itself. */
  readonly torn: string | undefined;
}

/** Receives every record but the crc ones, in order; throws WalError through `bad`. */
export type OnRecord = (type: number, data: Uint8Array, bad: (what: string) => WalError) => void;

const windowBytes = 1024 * 1024;
const sectorBytes = 512;
const advice =
  "The disk has lost or changed data: do not delete anything; remove this member from the cluster" +
  " and add it again with an empty data folder, or restore from a snapshot";

/**
 * Reads all segments in order and checks the crc chain. A bad record counts as torn only in the
 * last segment, and only if one of its sectors is all zeros or its frame ends beyond the file
 * (etcd: decoder.go isTornEntry, repair.go). Anything else rejects with WalError.
 */
export async function scanLog(
  disk: Disk,
  dir: string,
  segments: readonly SegmentName[],
  onRecord: OnRecord,
): Promise<LogEnd> {
  let end: LogEnd = { offset: 0, crc: 0, torn: undefined };
  for (let i = 0; i < segments.length; i++) {
    const file = await disk.open(`${dir}/${(segments[i] as SegmentName).name}`, { readOnly: true });
    try {
      const scan = new SegmentScan(file, await file.size(), end.crc, i === 0);
      end = await scan.run(i === segments.length - 1, onRecord);
    } finally {
      await file.close();
    }
  }
  return end;
}

class SegmentScan {
  readonly #file: File;
  readonly #size: number;
  readonly #isFirst: boolean;
  #crc: number;
  #offset = 0;
  #window: Uint8Array = new Uint8Array(0);
  #windowAt = 0;

  constructor(file: File, size: number, crc: number, isFirst: boolean) {
    this.#file = file;
    this.#size = size;
    this.#crc = crc;
    this.#isFirst = isFirst;
  }

  async run(isLast: boolean, onRecord: OnRecord): Promise<LogEnd> {
    const bad = (what: string): WalError =>
      new WalError("corrupt", this.#file.path, this.#offset, what, advice);
    for (;;) {
      const left = this.#size - this.#offset;
      if (left === 0) return this.#end(undefined);
      if (left < frameHeaderBytes) {
        if (isLast) return this.#end("the file ends within a frame header");
        throw bad("the file ends within a frame header");
      }
      if (!this.#holds(frameHeaderBytes)) await this.#load(frameHeaderBytes);
      const header = decodeFrameHeader(this.#window, this.#offset - this.#windowAt);
      if (header.size === 0) return this.#end(undefined);
      const frame = frameHeaderBytes + header.size + header.pad;
      if (frame > left) {
        await this.#load(Math.min(left, windowBytes));
        const there = this.#bytes(Math.min(left, windowBytes));
        if (isLast && mayReach(there, this.#offset, header.size)) {
          return this.#end(`a record of ${header.size} bytes runs past the end of the file`);
        }
        throw bad(`a record claims ${header.size} bytes where ${left} are left`);
      }
      if (!this.#holds(frame)) await this.#load(frame);
      const bytes = this.#bytes(frame);
      const problem = this.#record(bytes, header.size, onRecord, bad);
      if (problem !== undefined) {
        const unpadded = bytes.subarray(0, frameHeaderBytes + header.size);
        if (isLast && hasZeroSector(unpadded, this.#offset)) return this.#end(problem);
        throw bad(problem);
      }
      this.#offset += frame;
    }
  }

  /** Takes one record; what is wrong with it, if anything. */
  #record(
    frame: Uint8Array,
    size: number,
    onRecord: OnRecord,
    bad: (what: string) => WalError,
  ): string | undefined {
    let record: walpb.Record;
    try {
      record = walpb.decodeRecord(frame.subarray(frameHeaderBytes, frameHeaderBytes + size));
    } catch (error) {
      if (error instanceof ProtoError) return `the record does not decode (${error.message})`;
      throw error;
    }
    if (record.type === RecordType.crc) {
      const isHead = this.#offset === 0 && this.#isFirst;
      if (!isHead && record.crc !== this.#crc) {
        return "the segment does not continue the checksum of the one before";
      }
      this.#crc = record.crc;
      return undefined;
    }
    const crc = crc32c(record.data, this.#crc);
    if (crc !== record.crc) return "the record's checksum is wrong";
    this.#crc = crc;
    onRecord(record.type, record.data, bad);
    return undefined;
  }

  #end(torn: string | undefined): LogEnd {
    return { offset: this.#offset, crc: this.#crc, torn };
  }

  /** Whether the window has `length` bytes at the present offset. */
  #holds(length: number): boolean {
    return this.#offset + length <= this.#windowAt + this.#window.byteLength;
  }

  async #load(length: number): Promise<void> {
    this.#window = await this.#file.read(this.#offset, Math.max(length, windowBytes));
    this.#windowAt = this.#offset;
  }

  /** Bytes of the window; they stay valid, since windows are never reused. */
  #bytes(length: number): Uint8Array {
    const from = this.#offset - this.#windowAt;
    return this.#window.subarray(from, from + length);
  }
}

/**
 * Whether a frame that ends beyond the file can be a torn write: lengths are never torn (they lie
 * within one sector), so the record's head must agree with the length, unless it was lost with its
 * sector. A flipped bit in a length is damage, and nothing behind it may be thrown away.
 */
function mayReach(there: Uint8Array, offset: number, size: number): boolean {
  const head = there.subarray(frameHeaderBytes, frameHeaderBytes + recordHeadMax);
  const inSector = sectorBytes - ((offset + frameHeaderBytes) % sectorBytes);
  if (isZero(head, 0, head.byteLength)) return true;
  if (inSector < head.byteLength && isZero(head, inSector, head.byteLength)) return true;
  if (head[0] !== 8 || head[2] !== 16) return false;
  let p = 3;
  while (((head[p] ?? 0) & 128) !== 0) p++;
  if (head[++p] !== 26) return false;
  let length = 0;
  let scale = 1;
  do {
    length += ((head[++p] ?? 0) & 127) * scale;
    scale *= 128;
  } while (((head[p] ?? 0) & 128) !== 0);
  return p + 1 + length === size;
}

/** Whether a sector's part of the frame (without its header) is all zeros. */
function hasZeroSector(frame: Uint8Array, offset: number): boolean {
  let from = frameHeaderBytes;
  while (from < frame.byteLength) {
    const to = Math.min(frame.byteLength, from + sectorBytes - ((offset + from) % sectorBytes));
    if (isZero(frame, from, to)) return true;
    from = to;
  }
  return false;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}

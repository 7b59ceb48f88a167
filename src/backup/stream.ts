/** The bytes of a snapshot on their way: checked, compressed, hashed; never held whole. */
import { createHash } from "node:crypto";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  constants,
  createGunzip,
  createGzip,
  createZstdCompress,
  createZstdDecompress,
} from "node:zlib";
import { BackupError, type Manifest } from "./types.ts";

const hashBytes = 32;
/** Bytes that pass as one: few hops to the compressor's threads and to the storage. */
const chunkBytes = 256 * 1024;

/** A piece of Maintenance.Snapshot. */
export interface SnapshotPiece {
  readonly blob: Uint8Array;
  readonly remainingBytes: number;
}

/** What was found of a snapshot that passed; complete once its bytes have all been read. */
export interface PassedSnapshot {
  /** The trailing sha256 included. */
  bytes: number;
}

/**
 * The bytes of the pieces, which must be as many as announced and end with the sha256 of what is before.
 * Throws BackupError HashMismatch at the end otherwise.
 */
export async function* checkedSnapshot(
  pieces: AsyncIterable<SnapshotPiece>,
  passed: PassedSnapshot,
): AsyncGenerator<Uint8Array> {
  const tail = new HashedTail();
  let announced: number | undefined;
  for await (const { blob, remainingBytes } of pieces) {
    announced ??= blob.byteLength + Number(remainingBytes);
    passed.bytes += blob.byteLength;
    tail.update(blob);
    yield blob;
  }
  // etcd announces the database without the sha256 behind it.
  if (announced === undefined || passed.bytes !== announced + hashBytes) {
    throw broken(`${passed.bytes} bytes came where ${(announced ?? 0) + hashBytes} were announced`);
  }
  if (!tail.matches()) throw broken("the sha256 at its end is not that of what came");
}

const broken = (what: string): BackupError =>
  new BackupError(
    "HashMismatch",
    `The snapshot did not arrive whole: ${what}. Nothing was stored and the cluster is untouched; ` +
      "the next run may do better. If it stays so, look at the network and at the member's disk.",
    true,
  );

/** Compares the last 32 bytes with the sha256 of all bytes before them. */
export class HashedTail {
  readonly #hash = createHash("sha256");
  #tail = Buffer.alloc(0);

  update(bytes: Uint8Array): void {
    if (bytes.byteLength >= hashBytes) {
      this.#hash.update(this.#tail);
      this.#hash.update(bytes.subarray(0, bytes.byteLength - hashBytes));
      this.#tail = Buffer.from(bytes.subarray(bytes.byteLength - hashBytes));
      return;
    }
    const all = Buffer.concat([this.#tail, bytes]);
    const over = Math.max(0, all.byteLength - hashBytes);
    this.#hash.update(all.subarray(0, over));
    this.#tail = all.subarray(over);
  }

  /** To be asked once, at the end. */
  matches(): boolean {
    return this.#hash.digest().equals(this.#tail);
  }
}

/** Pieces of about 256 KiB. What it is given may be reused by the giver after the next piece is asked for. */
export async function* gathered(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let buffer = Buffer.allocUnsafeSlow(chunkBytes);
  let used = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.byteLength; ) {
      const some = chunk.subarray(at, at + chunkBytes - used);
      buffer.set(some, used);
      used += some.byteLength;
      at += some.byteLength;
      if (used < chunkBytes) continue;
      yield buffer;
      buffer = Buffer.allocUnsafeSlow(chunkBytes);
      used = 0;
    }
  }
  if (used > 0) yield buffer.subarray(0, used);
}

/** Level 1 of gzip and 3 of zstd: the network or the disk shall be the slowest, not we. */
function compressor(compression: Exclude<Manifest["compression"], "none">): Transform {
  if (compression === "gzip") return createGzip({ level: 1, chunkSize: chunkBytes });
  return createZstdCompress({
    chunkSize: chunkBytes,
    params: { [constants.ZSTD_c_checksumFlag]: 1 },
  });
}

/** Feeds what comes of `source` to `sink`, compressed, no faster than `sink` takes it. */
export async function compressInto(
  source: AsyncIterable<Uint8Array>,
  compression: Manifest["compression"],
  sink: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  const chunks = gathered(source);
  if (compression === "none") {
    for await (const chunk of chunks) await sink(chunk);
    return;
  }
  await pipeline(chunks, compressor(compression), async (compressed) => {
    for await (const chunk of gathered(compressed)) await sink(chunk);
  });
}

/** What the ending of a key says. */
export const compressionOfKey = (key: string): Manifest["compression"] => {
  if (key.endsWith(".gz")) return "gzip";
  return key.endsWith(".zst") ? "zstd" : "none";
};

/** What the first bytes of a stored object say; the ending of a name may lie. */
export function compressionOf(start: Uint8Array): Manifest["compression"] {
  const is = (...magic: number[]): boolean => magic.every((byte, i) => start[i] === byte);
  if (is(0x1f, 0x8b)) return "gzip";
  return is(0x28, 0xb5, 0x2f, 0xfd) ? "zstd" : "none";
}

/**
 * Feeds the decompressed bytes of a stored object to `sink`; returns size and sha256 of what was stored.
 * Rejects with BackupError InvalidSnapshot when it does not decompress.
 */
export async function readInto(
  stored: AsyncIterable<Uint8Array>,
  sink: (chunk: Uint8Array) => Promise<void>,
): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const seen = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of stored) {
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
      yield chunk;
    }
  };
  const chunks = gathered(seen());
  const first = await chunks.next();
  if (first.done) return { sizeBytes, sha256: hash.digest("hex") };
  const all = async function* (): AsyncGenerator<Uint8Array> {
    yield first.value;
    yield* chunks;
  };
  const compression = compressionOf(first.value);
  if (compression === "none") for await (const chunk of all()) await sink(chunk);
  else await decompressInto(all(), compression, sink);
  return { sizeBytes, sha256: hash.digest("hex") };
}

async function decompressInto(
  source: AsyncIterable<Uint8Array>,
  compression: "gzip" | "zstd",
  sink: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  const options = { chunkSize: chunkBytes };
  const transform = compression === "gzip" ? createGunzip(options) : createZstdDecompress(options);
  try {
    await pipeline(Readable.from(source), transform, async (plain) => {
      for await (const chunk of plain as AsyncIterable<Uint8Array>) await sink(chunk);
    });
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code !== "string" || !/^(Z_|ZSTD_)/.test(code)) throw error;
    throw new BackupError(
      "InvalidSnapshot",
      `The stored object does not decompress (${compression}: ${(error as Error).message}). Nothing ` +
        "was changed; take another backup, this one is damaged.",
    );
  }
}

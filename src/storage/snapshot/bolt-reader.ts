import { asBuffer, compareBytes } from "../../lib/bytes.ts";
import type { Disk, File, Row } from "../../ports/index.ts";
import {
  type BoltMeta,
  bucketFlag,
  bucketHeaderBytes,
  decodeMetaPage,
  defaultPageBytes,
  elementBytes,
  hasSha256,
  PageFlag,
  type PageHeader,
  pageHeaderBytes,
  readPageHeader,
  readU64LE,
  sha256Bytes,
} from "./bolt-format.ts";
import { SnapshotError } from "./types.ts";

const blockBytes = 256 * 1024;
const blocksKept = 16;
const depthMax = 64;

/** What to do about a damaged file. */
export const useAnother = "Use another copy of it, or another snapshot";

interface Bucket {
  readonly name: string;
  /** A page of its own, or the page that stands in the root bucket's value. */
  readonly root: number | Buffer;
}

interface LeafElement {
  readonly flags: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

/**
 * Reads a bbolt file bucket by bucket in key order, in bounded memory. Everything read is checked
 * against the file's own structure: a damaged file rejects with SnapshotError, never a crash or
 * an endless walk. Rows share the blocks they were read in; these are never reused.
 */
export class BoltReader {
  readonly #file: File;
  readonly meta: BoltMeta;
  readonly #blocks = new Map<number, Promise<Buffer>>();
  #pagesLeft: number;
  #bytesRead = 0;

  private constructor(file: File, meta: BoltMeta) {
    this.#file = file;
    this.meta = meta;
    this.#pagesLeft = 4 * meta.highWater;
  }

  /** Rejects with SnapshotError when it is no bbolt file or shorter than it says. */
  static async open(disk: Disk, path: string): Promise<BoltReader> {
    const file = await disk.open(path, { readOnly: true });
    try {
      const size = await file.size();
      if (size === 0) throw new SnapshotError("corrupt", `${path} is empty. ${useAnother}`);
      const meta = await readMeta(file);
      if (meta === undefined || meta.pageBytes < 512 || meta.pageBytes > 65536) {
        throw new SnapshotError(
          "corrupt",
          `${path} is no snapshot of etcd: it is no bbolt file, or damaged in its first two pages. ` +
            "Use a file that `etcdctl snapshot save` wrote",
        );
      }
      const want = meta.highWater * meta.pageBytes;
      if (size < want) {
        throw new SnapshotError(
          "corrupt",
          `${path} was cut off: it has ${size} bytes and should have ${want} or more. ${useAnother}`,
        );
      }
      return new BoltReader(file, meta);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Bytes of the database, without a sha256 behind it. */
  get sizeBytes(): number {
    return this.meta.highWater * this.meta.pageBytes;
  }

  /** Bytes of all pages read so far; stays below sizeBytes when each bucket is read once. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  async buckets(): Promise<Bucket[]> {
    const found: Bucket[] = [];
    for await (const leaf of this.#walk(this.meta.root, 0)) {
      for (const { flags, key, value } of leaf) {
        const name = key.toString("latin1");
        if ((flags & bucketFlag) === 0 || value.byteLength < bucketHeaderBytes) {
          throw this.#corrupt(`the root holds ${JSON.stringify(name)}, which is no bucket`);
        }
        const root = readU64LE(value, 0);
        found.push({ name, root: root === 0 ? value.subarray(bucketHeaderBytes) : root });
      }
    }
    return found;
  }

  /** Rows of a bucket in key order, a page at a time. */
  async *rows(bucket: Bucket): AsyncGenerator<readonly Row[]> {
    const { root } = bucket;
    const leaves = typeof root === "number" ? this.#walk(root, 0) : [this.#inline(root)];
    let last: Uint8Array | undefined;
    for await (const leaf of leaves) {
      const rows: Row[] = [];
      for (const { flags, key, value } of leaf) {
        if (flags !== 0) throw this.#corrupt(`bucket ${bucket.name} holds another bucket`);
        if (last !== undefined && compareBytes(last, key) >= 0) {
          throw this.#corrupt(`bucket ${bucket.name}: keys are out of order`);
        }
        last = key;
        rows.push([key, value]);
      }
      yield rows;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async *#walk(id: number, depth: number): AsyncGenerator<LeafElement[]> {
    if (depth > depthMax || --this.#pagesLeft < 0) throw this.#corrupt("its pages form a circle");
    const { page, header } = await this.#page(id);
    if (header.flags === PageFlag.leaf) {
      yield this.#leaf(page, header, `page ${id}`);
      return;
    }
    if (header.flags !== PageFlag.branch) {
      throw this.#corrupt(`page ${id} has flags ${header.flags} where a branch or leaf belongs`);
    }
    if (pageHeaderBytes + header.count * elementBytes > page.byteLength) {
      throw this.#corrupt(`page ${id} claims ${header.count} children`);
    }
    for (let i = 0; i < header.count; i++) {
      yield* this.#walk(readU64LE(page, pageHeaderBytes + i * elementBytes + 8), depth + 1);
    }
  }

  #leaf(page: Buffer, header: PageHeader, where: string): LeafElement[] {
    if (pageHeaderBytes + header.count * elementBytes > page.byteLength) {
      throw this.#corrupt(`${where} claims ${header.count} rows`);
    }
    const elements: LeafElement[] = [];
    for (let i = 0; i < header.count; i++) {
      const at = pageHeaderBytes + i * elementBytes;
      const keyAt = at + page.readUInt32LE(at + 4);
      const valueAt = keyAt + page.readUInt32LE(at + 8);
      const end = valueAt + page.readUInt32LE(at + 12);
      if (end > page.byteLength) throw this.#corrupt(`${where}: row ${i} lies outside of it`);
      elements.push({
        flags: page.readUInt32LE(at),
        key: page.subarray(keyAt, valueAt),
        value: page.subarray(valueAt, end),
      });
    }
    return elements;
  }

  #inline(page: Buffer): LeafElement[] {
    if (page.byteLength < pageHeaderBytes) throw this.#corrupt("an inline bucket is too short");
    const header = readPageHeader(page, 0);
    if (header.flags !== PageFlag.leaf) throw this.#corrupt("an inline bucket is no leaf");
    return this.#leaf(page, header, "an inline bucket");
  }

  async #page(id: number): Promise<{ page: Buffer; header: PageHeader }> {
    const { pageBytes, highWater } = this.meta;
    if (id < 2 || id >= highWater) throw this.#corrupt(`it refers to page ${id} of ${highWater}`);
    const first = await this.#read(id * pageBytes, pageBytes);
    const header = readPageHeader(first, 0);
    if (header.id !== id || id + header.overflow >= highWater) {
      throw this.#corrupt(`page ${id} says it is page ${header.id}`);
    }
    const page =
      header.overflow === 0
        ? first
        : await this.#read(id * pageBytes, (header.overflow + 1) * pageBytes);
    this.#bytesRead += page.byteLength;
    return { page, header };
  }

  /** Whole pages, from a few cached blocks where they fit into one. */
  async #read(at: number, length: number): Promise<Buffer> {
    const block = Math.floor(at / blockBytes);
    const from = at - block * blockBytes;
    if (from + length > blockBytes) return asBuffer(await this.#file.read(at, length));
    let bytes = this.#blocks.get(block);
    if (bytes === undefined) {
      bytes = this.#file.read(block * blockBytes, blockBytes).then(asBuffer);
      if (this.#blocks.size >= blocksKept) {
        this.#blocks.delete(this.#blocks.keys().next().value as number);
      }
      this.#blocks.set(block, bytes);
    }
    return (await bytes).subarray(from, from + length);
  }

  #corrupt(what: string): SnapshotError {
    return new SnapshotError("corrupt", `${this.#file.path} is damaged: ${what}. ${useAnother}`);
  }
}

/** The newer valid one of the two metas. The second's place depends on the page size. */
async function readMeta(file: File): Promise<BoltMeta | undefined> {
  const first = decodeMetaPage(asBuffer(await file.read(0, defaultPageBytes)));
  const sizes = first === undefined ? [4096, 8192, 16384, 65536] : [first.pageBytes];
  for (const size of sizes) {
    const second = decodeMetaPage(asBuffer(await file.read(size, defaultPageBytes)));
    if (second !== undefined)
      return first === undefined || second.txid > first.txid ? second : first;
  }
  return first;
}

/** Bytes of the database in the file, and the sha256 behind it if there is one. */
export async function readSha256(
  file: File,
): Promise<{ databaseBytes: number; sha256: Uint8Array | undefined }> {
  const size = await file.size();
  if (!hasSha256(size)) return { databaseBytes: size, sha256: undefined };
  const databaseBytes = size - sha256Bytes;
  return { databaseBytes, sha256: await file.read(databaseBytes, sha256Bytes) };
}

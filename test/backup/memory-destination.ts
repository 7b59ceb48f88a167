// A storage in memory, which a test can stop anywhere: as if the program were killed there.

import { alreadyExists, artifactMissing, tooLarge } from "../../src/backup/refusals.ts";
import type { Destination, ObjectWriter, StoredObject } from "../../src/backup/types.ts";

/** The program died in the middle of a step. */
export class Killed extends Error {}

export class MemoryDestination implements Destination {
  readonly uri = "memory://test";
  readonly objects = new Map<string, { bytes: Uint8Array; modifiedMs: number }>();
  /** Changes that are still done; the next one, and all after it, throw Killed. */
  changesLeft = Number.POSITIVE_INFINITY;
  /** Changes that were done. */
  changes = 0;
  nowMs = 0;

  async create(key: string): Promise<ObjectWriter> {
    if (this.objects.has(key)) throw alreadyExists(key);
    const chunks: Uint8Array[] = [];
    return {
      write: async (chunk) => void chunks.push(Uint8Array.from(chunk)),
      commit: async () => this.#put(key, Buffer.concat(chunks)),
      abort: async () => {},
    };
  }

  async *read(key: string): AsyncIterable<Uint8Array> {
    const found = this.objects.get(key);
    if (found === undefined) throw artifactMissing(key, this.uri);
    yield found.bytes;
  }

  async readSmall(key: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const bytes = this.objects.get(key)?.bytes;
    if (bytes !== undefined && bytes.byteLength > maxBytes) throw tooLarge(key, maxBytes);
    return bytes;
  }

  async writeSmall(key: string, bytes: Uint8Array): Promise<void> {
    this.#put(key, bytes);
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix));
    keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const key of keys) {
      const found = this.objects.get(key);
      if (found === undefined) continue;
      yield { key, sizeBytes: found.bytes.byteLength, modifiedMs: found.modifiedMs };
    }
  }

  async delete(key: string): Promise<void> {
    this.#change();
    this.objects.delete(key);
  }

  async sweep(): Promise<number> {
    return 0;
  }

  close(): void {}

  #put(key: string, bytes: Uint8Array): void {
    this.#change();
    this.objects.set(key, { bytes, modifiedMs: this.nowMs });
  }

  #change(): void {
    if (this.changesLeft <= 0) throw new Killed("killed");
    this.changesLeft--;
    this.changes++;
  }
}

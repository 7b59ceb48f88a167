import { randomBytes } from "node:crypto";
import type { Dirent, Stats } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DestinationOptions } from "./destination.ts";
import { directoryError } from "./directory-errors.ts";
import { DirectoryWriter, syncFolder, writeAll } from "./directory-writer.ts";
import { throwIfInterrupted } from "./interruption.ts";
import { assertKey, assertPrefix, temporaryStart } from "./keys.ts";
import { alreadyExists, artifactMissing, tooLarge } from "./refusals.ts";
import { codeOf } from "./system-errors.ts";
import { BackupError, type Destination, type ObjectWriter, type StoredObject } from "./types.ts";

/** Pieces in which objects are read. */
const readBytes = 1 << 20;
const unfinishedPattern = new RegExp(`^\\${temporaryStart}[0-9a-f]{16}$`);

/**
 * A folder of a mounted volume as a destination; keys are paths in it. A file gets its name only when it
 * is whole and synced, and a name that is taken is never taken over, save by writeSmall. Symbolic links
 * that lead out of the folder are not followed.
 */
export class DirectoryDestination implements Destination {
  readonly uri: string;
  readonly #root: string;
  readonly #signal: AbortSignal | undefined;

  constructor(
    options: Extract<DestinationOptions, { kind: "directory" }>,
    signal: AbortSignal | undefined,
  ) {
    this.#root = options.directory;
    this.#signal = signal;
    this.uri = options.uri ?? `file://${options.directory}`;
  }

  async create(key: string): Promise<ObjectWriter> {
    const path = this.#path(key);
    return this.#doing(`make a file for ${key}`, async () => {
      await this.#makeFolder(dirname(path));
      if ((await statOrNothing(path)) !== undefined) throw alreadyExists(key);
      const temporary = temporaryBeside(path);
      const file = await fs.open(temporary, "wx", 0o640);
      return new DirectoryWriter({
        file,
        temporary,
        path,
        onTaken: () => alreadyExists(key),
        wrap: (error) => this.#error(error, `store ${key}`),
        signal: this.#signal,
      });
    });
  }

  async *read(key: string): AsyncIterable<Uint8Array> {
    const path = this.#path(key);
    const file = await this.#doing(`read ${key}`, () => this.#open(path, key));
    try {
      for (;;) {
        const chunk = await this.#doing(`read ${key}`, async () => {
          const buffer = Buffer.allocUnsafeSlow(readBytes);
          const { bytesRead } = await file.read(buffer, 0, readBytes);
          return buffer.subarray(0, bytesRead);
        });
        if (chunk.byteLength === 0) return;
        yield chunk;
      }
    } finally {
      await file.close();
    }
  }

  async readSmall(key: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const path = this.#path(key);
    try {
      return await this.#doing(`read ${key}`, async () => {
        await using file = await this.#open(path, key);
        const buffer = Buffer.alloc(maxBytes + 1);
        let length = 0;
        for (;;) {
          const { bytesRead } = await file.read(buffer, length, buffer.length - length);
          length += bytesRead;
          if (length > maxBytes) throw tooLarge(key, maxBytes);
          if (bytesRead === 0) return buffer.subarray(0, length);
        }
      });
    } catch (error) {
      if (error instanceof BackupError && error.code === "ArtifactMissing") return undefined;
      throw error;
    }
  }

  async writeSmall(key: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(key);
    await this.#doing(`store ${key}`, async () => {
      await this.#makeFolder(dirname(path));
      const temporary = temporaryBeside(path);
      try {
        {
          await using file = await fs.open(temporary, "wx", 0o640);
          await writeAll(file, bytes);
          await file.sync();
        }
        await fs.rename(temporary, path);
      } catch (error) {
        await fs.rm(temporary, { force: true });
        throw error;
      }
      await syncFolder(dirname(path));
    });
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    for await (const { key, path } of this.#walk(prefix, (name) => !isUnfinished(name))) {
      const found = await this.#doing(`list ${key}`, () => statOrNothing(path));
      if (found === undefined) continue;
      yield { key, sizeBytes: found.size, modifiedMs: found.mtimeMs };
    }
  }

  async delete(key: string): Promise<void> {
    const path = this.#path(key);
    try {
      await this.#assertInside(dirname(path));
      await fs.unlink(path);
      await syncFolder(dirname(path));
    } catch (error) {
      if (!isAbsent(error)) throw this.#error(error, `delete ${key}`);
    }
  }

  async sweep(prefix: string, olderThanMs: number): Promise<number> {
    const latestMs = Date.now() - olderThanMs;
    let swept = 0;
    for await (const { path } of this.#walk(prefix, isUnfinished)) {
      await this.#doing("remove unfinished files", async () => {
        const found = await statOrNothing(path);
        if (found === undefined || found.mtimeMs >= latestMs) return;
        await fs.rm(path, { force: true });
        swept++;
      });
    }
    return swept;
  }

  close(): void {}

  #path(key: string): string {
    assertKey(key);
    return join(this.#root, key);
  }

  #error(error: unknown, doing: string): BackupError {
    return directoryError(error, doing, { uri: this.uri, directory: this.#root });
  }

  async #doing<T>(what: string, act: () => Promise<T>): Promise<T> {
    throwIfInterrupted(this.#signal);
    try {
      return await act();
    } catch (error) {
      throw this.#error(error, what);
    }
  }

  /** With what leads to it, each new one durable in its parent. (Node's own hides why it fails.) */
  async #makeFolder(folder: string): Promise<void> {
    await makeFolder(folder);
    await this.#assertInside(folder);
  }

  /** Someone may have put a symbolic link in the way. */
  async #assertInside(path: string): Promise<void> {
    const [root, real] = await Promise.all([fs.realpath(this.#root), fs.realpath(path)]);
    if (real === root || real.startsWith(root.endsWith("/") ? root : `${root}/`)) return;
    throw new BackupError(
      "InvalidConfig",
      `${path} is a symbolic link out of the backup volume ${this.uri}. Nothing was read or written ` +
        `there; remove the link.`,
    );
  }

  async #open(path: string, key: string): Promise<fs.FileHandle> {
    try {
      await this.#assertInside(path);
      const file = await fs.open(path, "r");
      if ((await file.stat()).isFile()) return file;
      await file.close();
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    throw artifactMissing(key, this.uri);
  }

  /**
   * Files below the prefix whose name passes, in the order of the bytes of their keys; all unfinished
   * ones in its folder. A folder that is gone is empty.
   */
  async *#walk(
    prefix: string,
    passes: (name: string) => boolean,
  ): AsyncGenerator<{ key: string; path: string }> {
    assertPrefix(prefix);
    // Folders end in "/". What lies below one comes before its later siblings: all wait on one stack.
    const waiting = [prefix.slice(0, prefix.lastIndexOf("/") + 1)];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const path = join(this.#root, next);
      if (next !== "" && !next.endsWith("/")) {
        yield { key: next, path };
        continue;
      }
      const entries = await this.#doing(`list ${next}`, () => this.#entries(path));
      const below = entries
        .filter((it) => it.isDirectory() || (it.isFile() && passes(it.name)))
        .filter((it) => (next + it.name).startsWith(prefix) || isUnfinished(it.name))
        .map((it) => next + it.name + (it.isDirectory() ? "/" : ""))
        .sort((a, b) => Buffer.compare(Buffer.from(b), Buffer.from(a)));
      for (const key of below) waiting.push(key);
    }
  }

  async #entries(path: string): Promise<Dirent[]> {
    try {
      await this.#assertInside(path);
      return await fs.readdir(path, { withFileTypes: true });
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  }
}

const isUnfinished = (name: string): boolean => unfinishedPattern.test(name);

const temporaryBeside = (path: string): string =>
  join(dirname(path), temporaryStart + randomBytes(8).toString("hex"));

/** A folder is no object either, and neither is what would lie below a file. */
const isAbsent = (error: unknown): boolean =>
  ["ENOENT", "ENOTDIR", "EISDIR"].includes(codeOf(error) ?? "");

async function statOrNothing(path: string): Promise<Stats | undefined> {
  try {
    return await fs.lstat(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

async function makeFolder(folder: string): Promise<void> {
  if (await makeOne(folder)) return;
  await makeFolder(dirname(folder));
  if (!(await makeOne(folder))) throw new Error(`${folder} goes away while it is made`);
}

/** Whether the folder is there now; false where what is above it is not. */
async function makeOne(folder: string): Promise<boolean> {
  try {
    await fs.mkdir(folder, 0o750);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return true;
    if (codeOf(error) === "ENOENT" && dirname(folder) !== folder) return false;
    throw error;
  }
  await syncFolder(dirname(folder));
  return true;
}

import * as fs from "node:fs/promises";
import { dirname } from "node:path";
import { throwIfInterrupted } from "./interruption.ts";
import { codeOf } from "./system-errors.ts";
import type { BackupError, ObjectWriter } from "./types.ts";

interface Unfinished {
  readonly file: fs.FileHandle;
  /** In the folder of `path`, so that giving the name is one step. */
  readonly temporary: string;
  readonly path: string;
  readonly onTaken: () => BackupError;
  readonly wrap: (error: unknown) => BackupError;
  readonly signal: AbortSignal | undefined;
}

/** File systems on which a file has one name only. */
const noLinks = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EMLINK"]);

/** A file without its name, which commit() gives. */
export class DirectoryWriter implements ObjectWriter {
  readonly #it: Unfinished;
  #state: "open" | "committed" | "aborted" = "open";

  constructor(unfinished: Unfinished) {
    this.#it = unfinished;
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#doing(() => writeAll(this.#it.file, chunk));
  }

  async commit(): Promise<void> {
    await this.#doing(async () => {
      const { file, temporary, path } = this.#it;
      await file.sync();
      await file.close();
      await this.#giveName();
      await fs.rm(temporary, { force: true });
      await syncFolder(dirname(path));
    });
    this.#state = "committed";
  }

  async abort(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "aborted";
    const { file, temporary } = this.#it;
    // What stays behind is swept by a later run.
    await file.close().catch(() => {});
    await fs.rm(temporary, { force: true }).catch(() => {});
  }

  /** link() refuses a name that is taken, which rename() does not. */
  async #giveName(): Promise<void> {
    const { temporary, path, onTaken } = this.#it;
    try {
      await fs.link(temporary, path);
    } catch (error) {
      const code = codeOf(error) ?? "";
      if (code === "EEXIST") throw onTaken();
      if (!noLinks.has(code)) throw error;
      // Between the look and the renaming another could take the name; keys are unique, so none does.
      if (await isThere(path)) throw onTaken();
      await fs.rename(temporary, path);
    }
  }

  async #doing(act: () => Promise<void>): Promise<void> {
    try {
      throwIfInterrupted(this.#it.signal);
      if (this.#state !== "open") throw new Error(`the file is ${this.#state}`);
      await act();
    } catch (error) {
      const wrapped = this.#it.wrap(error);
      await this.abort();
      throw wrapped;
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await fs.lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

/** A write may take less than it was given. */
export async function writeAll(file: fs.FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) {
    at += (await file.write(bytes, at, bytes.byteLength - at)).bytesWritten;
  }
}

/** Makes names in the folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await fs.open(folder, "r");
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems have no fsync of folders; their names are durable by themselves.
    if (!["EINVAL", "ENOTSUP", "EISDIR"].includes(codeOf(error) ?? "")) throw error;
  }
}

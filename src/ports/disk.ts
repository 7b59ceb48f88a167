/**
 * Files. Every byte of the WAL and of snapshot files goes through this port, so that the simulator
 * can lose what was not synced. Paths are absolute. All calls reject with the system's error
 * (`code` ENOENT, ENOSPC, EIO, ...); a failed `sync` is fatal to the caller and never retried.
 */
export interface Disk {
  /** Opens for reading and writing; `create` makes the file if missing (mode 0600). */
  open(path: string, options?: { create?: boolean; readOnly?: boolean }): Promise<File>;
  exists(path: string): Promise<boolean>;
  /** Names in a folder, sorted; rejects with ENOENT when there is none. */
  list(dir: string): Promise<string[]>;
  /** Makes a folder and its missing parents (mode 0700). */
  mkdir(dir: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; missing is not an error. */
  remove(path: string): Promise<void>;
  /** Removes a folder with all it holds; missing is not an error. */
  removeAll(dir: string): Promise<void>;
  /** Makes entries of this folder (creations, renames, removals) durable. */
  syncDir(dir: string): Promise<void>;
}

export interface File {
  readonly path: string;
  /** Writes all parts one behind the other from byte `at`; resolves when the kernel has them. */
  write(parts: readonly Uint8Array[], at: number): Promise<void>;
  /**
   * As `write`, and these bytes (with the file size they need) are durable once it resolves. Says
   * nothing about bytes written by `write` before: those need `sync`.
   */
  writeDurably(parts: readonly Uint8Array[], at: number): Promise<void>;
  /**
   * As `writeDurably`, before it returns: the caller's thread waits for the disk. Throws the
   * system's error. Missing where a disk has no such way: use `writeDurably`.
   */
  writeDurablyNow?(bytes: Uint8Array, at: number): void;
  /** fdatasync: what was written before this call is durable once it resolves. */
  sync(): Promise<void>;
  /** Reads up to `length` bytes at `at`; shorter at the end of the file. */
  read(at: number, length: number): Promise<Uint8Array>;
  size(): Promise<number>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

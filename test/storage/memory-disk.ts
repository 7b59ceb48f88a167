import type { Disk, File } from "../../src/ports/index.ts";

/** Which unsynced changes a crash keeps: asked once per sector and per folder. */
export type Keep = () => boolean;

type Op = { kind: "write"; at: number; bytes: Uint8Array } | { kind: "truncate"; size: number };

class Inode {
  bytes = new Uint8Array(0);
  durable = new Uint8Array(0);
  pending: Op[] = [];

  apply(op: Op): void {
    this.bytes = applied(this.bytes, op);
    this.pending.push(op);
  }

  sync(): void {
    this.durable = this.bytes.slice();
    this.pending = [];
  }

  /** As O_DSYNC: what else is pending stays so. */
  syncOnly(op: Op): void {
    this.durable = applied(this.durable, op);
    this.pending = this.pending.filter((other) => other !== op);
  }

  /** Keeps any subset of the sectors that were not synced. */
  crash(keep: Keep): void {
    let bytes = this.durable;
    for (const op of this.pending) {
      if (op.kind === "truncate") {
        if (keep()) bytes = applied(bytes, op);
        continue;
      }
      for (let from = 0; from < op.bytes.byteLength; ) {
        const length = Math.min(512 - ((op.at + from) % 512), op.bytes.byteLength - from);
        const part = op.bytes.subarray(from, from + length);
        if (keep()) bytes = applied(bytes, { kind: "write", at: op.at + from, bytes: part });
        from += length;
      }
    }
    this.bytes = bytes.slice();
    this.sync();
  }
}

function applied(bytes: Uint8Array<ArrayBuffer>, op: Op): Uint8Array<ArrayBuffer> {
  const size = op.kind === "truncate" ? op.size : op.at + op.bytes.byteLength;
  const grown = new Uint8Array(op.kind === "truncate" ? size : Math.max(size, bytes.byteLength));
  grown.set(bytes.subarray(0, grown.byteLength));
  if (op.kind === "write") grown.set(op.bytes, op.at);
  return grown;
}

class Folder {
  entries = new Map<string, Inode | Folder>();
  durable = new Map<string, Inode | Folder>();
}

const fail = (code: string, path: string): Error =>
  Object.assign(new Error(`${code}: ${path}`), { code });

/** Files in memory that lose, or tear, what was not synced when `crash` is called. */
export class MemoryDisk implements Disk {
  #root = new Folder();
  /** Set to make the next writes and syncs fail. */
  failure: Error | undefined;
  /** Counts durable writes. */
  syncs = 0;
  #generation = 0;

  async open(path: string, options?: { create?: boolean; readOnly?: boolean }): Promise<File> {
    const [folder, name] = this.#place(path);
    let inode = folder.entries.get(name);
    if (inode === undefined) {
      if (!options?.create) throw fail("ENOENT", path);
      inode = new Inode();
      folder.entries.set(name, inode);
    }
    if (!(inode instanceof Inode)) throw fail("EISDIR", path);
    return this.#file(path, inode);
  }

  async exists(path: string): Promise<boolean> {
    return this.#find(path) !== undefined;
  }

  async list(dir: string): Promise<string[]> {
    const folder = this.#find(dir);
    if (folder === undefined) throw fail("ENOENT", dir);
    if (!(folder instanceof Folder)) throw fail("ENOTDIR", dir);
    return [...folder.entries.keys()].sort();
  }

  async mkdir(dir: string): Promise<void> {
    let folder = this.#root;
    for (const name of parts(dir)) {
      const next = folder.entries.get(name) ?? new Folder();
      if (!(next instanceof Folder)) throw fail("ENOTDIR", dir);
      folder.entries.set(name, next);
      folder = next;
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const [folder, name] = this.#place(from);
    const node = folder.entries.get(name);
    if (node === undefined) throw fail("ENOENT", from);
    const [target, newName] = this.#place(to);
    folder.entries.delete(name);
    target.entries.set(newName, node);
  }

  async remove(path: string): Promise<void> {
    const [folder, name] = this.#place(path);
    folder.entries.delete(name);
  }

  async removeAll(dir: string): Promise<void> {
    if (this.#find(dir) !== undefined) await this.remove(dir);
  }

  async syncDir(dir: string): Promise<void> {
    const folder = this.#find(dir);
    if (!(folder instanceof Folder)) throw fail("ENOENT", dir);
    folder.durable = new Map(folder.entries);
  }

  /** The disk as one process sees it: after the next crash every call of it fails. */
  process(): Disk {
    const born = this.#generation;
    const alive = <A extends unknown[], R>(path: string, f: (...args: A) => Promise<R>) => {
      return (...args: A): Promise<R> =>
        born === this.#generation ? f.apply(this, args) : Promise.reject(fail("EIO", path));
    };
    return {
      open: alive("open", this.open),
      exists: alive("exists", this.exists),
      list: alive("list", this.list),
      mkdir: alive("mkdir", this.mkdir),
      rename: alive("rename", this.rename),
      remove: alive("remove", this.remove),
      removeAll: alive("removeAll", this.removeAll),
      syncDir: alive("syncDir", this.syncDir),
    };
  }

  /** The machine loses power: open files are dead, unsynced changes survive as `keep` says. */
  crash(keep: Keep): void {
    this.#generation++;
    const visit = (folder: Folder): void => {
      if (!keep()) folder.entries = new Map(folder.durable);
      folder.durable = new Map(folder.entries);
      for (const node of folder.entries.values()) {
        if (node instanceof Folder) visit(node);
        else node.crash(keep);
      }
    };
    visit(this.#root);
  }

  /** The bytes of a file, to look at or to damage. */
  bytes(path: string): Uint8Array {
    const node = this.#find(path);
    if (!(node instanceof Inode)) throw fail("ENOENT", path);
    return node.bytes;
  }

  #file(path: string, inode: Inode): File {
    const born = this.#generation;
    const check = (): void => {
      if (born !== this.#generation) throw fail("EIO", path);
      if (this.failure !== undefined) throw this.failure;
    };
    const write = async (all: readonly Uint8Array[], at: number): Promise<Op> => {
      await Promise.resolve();
      check();
      const op: Op = { kind: "write", at, bytes: Buffer.concat(all) };
      inode.apply(op);
      return op;
    };
    const sync = async (): Promise<void> => {
      await Promise.resolve();
      check();
      inode.sync();
    };
    return {
      path,
      write: async (all, at) => {
        await write(all, at);
      },
      sync,
      writeDurably: async (all, at) => {
        const op = await write(all, at);
        await Promise.resolve();
        check();
        inode.syncOnly(op);
        this.syncs++;
      },
      writeDurablyNow: (bytes, at) => {
        check();
        const op: Op = { kind: "write", at, bytes: bytes.slice() };
        inode.apply(op);
        inode.syncOnly(op);
        this.syncs++;
      },
      read: async (at, length) => inode.bytes.slice(at, at + length),
      size: async () => inode.bytes.byteLength,
      truncate: async (size) => {
        check();
        inode.apply({ kind: "truncate", size });
      },
      close: async () => {},
    };
  }

  #find(path: string): Inode | Folder | undefined {
    let node: Inode | Folder | undefined = this.#root;
    for (const name of parts(path)) {
      if (!(node instanceof Folder)) return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  #place(path: string): [Folder, string] {
    const names = parts(path);
    const folder = this.#find(`/${names.slice(0, -1).join("/")}`);
    if (!(folder instanceof Folder)) throw fail("ENOENT", path);
    return [folder, names[names.length - 1] as string];
  }
}

const parts = (path: string): string[] => path.split("/").filter((part) => part !== "");

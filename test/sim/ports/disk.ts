import type { Disk, File } from "../../../src/ports/index.ts";
import type { SimRandom } from "../random.ts";
import type { Actor, World } from "../world.ts";

const sectorBytes = 512;

type Change =
  | { readonly kind: "write"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "truncate"; readonly size: number };

/** One file's content: what programs see, what is durable, and the changes between. */
class Inode {
  bytes = new Uint8Array(0);
  #durable = new Uint8Array(0);
  #pending: Change[] = [];

  apply(change: Change): void {
    this.bytes = changed(this.bytes, change);
    this.#pending.push(change);
  }

  sync(upTo = this.#pending.length): void {
    for (const change of this.#pending.splice(0, upTo)) {
      this.#durable = changed(this.#durable, change);
    }
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  /** O_DSYNC: this change is durable, others stay pending. */
  syncOnly(change: Change): void {
    const i = this.#pending.indexOf(change);
    if (i < 0) return;
    this.#pending.splice(i, 1);
    this.#durable = changed(this.#durable, change);
  }

  /** Each sector that was not synced survives or not, on its own. */
  crash(random: SimRandom, keepPercent: number): void {
    this.lose(random, keepPercent);
    this.bytes = this.#durable.slice();
  }

  /** A sync has failed: what was pending counts as written, seems to be there, and may not be. */
  lose(random: SimRandom, keepPercent: number): void {
    for (const change of this.#pending) {
      if (change.kind === "truncate") {
        if (random.chance(keepPercent)) this.#durable = changed(this.#durable, change);
        continue;
      }
      const { at, bytes } = change;
      for (let from = 0; from < bytes.length; ) {
        const length = Math.min(sectorBytes - ((at + from) % sectorBytes), bytes.length - from);
        const part = bytes.subarray(from, from + length);
        if (random.chance(keepPercent)) {
          this.#durable = changed(this.#durable, { kind: "write", at: at + from, bytes: part });
        }
        from += length;
      }
    }
    this.#pending = [];
  }
}

function changed(bytes: Uint8Array<ArrayBuffer>, c: Change): Uint8Array<ArrayBuffer> {
  if (c.kind === "truncate") {
    const cut = new Uint8Array(c.size);
    cut.set(bytes.subarray(0, c.size));
    return cut;
  }
  const end = c.at + c.bytes.length;
  let target = bytes;
  if (end > bytes.length) {
    target = new Uint8Array(end);
    target.set(bytes);
  }
  target.set(c.bytes, c.at);
  return target;
}

type Node = Inode | Folder;

interface NameChange {
  readonly name: string;
  /** Undefined removes the name. */
  readonly node: Node | undefined;
}

function setNames(names: Map<string, Node>, changes: readonly NameChange[]): void {
  for (const { name, node } of changes) {
    if (node === undefined) names.delete(name);
    else names.set(name, node);
  }
}

/** Names in a folder; unsynced changes of them survive a crash as a front part of their order. */
class Folder {
  readonly entries = new Map<string, Node>();
  #durable = new Map<string, Node>();
  /** Each is one change of the names that survives whole or not at all. */
  #pending: NameChange[][] = [];

  /** Makes, removes or renames (two changes at once). */
  change(...changes: NameChange[]): void {
    setNames(this.entries, changes);
    this.#pending.push(changes);
  }

  sync(count = this.#pending.length): void {
    for (const changes of this.#pending.splice(0, count)) setNames(this.#durable, changes);
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  crash(random: SimRandom, keepPercent: number): void {
    this.sync(random.chance(keepPercent) ? random.below(this.#pending.length + 1) : 0);
    this.#pending = [];
    this.entries.clear();
    for (const [name, node] of this.#durable) {
      this.entries.set(name, node);
      node.crash(random, keepPercent);
    }
  }
}

export interface DiskFaults {
  /** Mean time of a sync, microseconds. */
  syncUs: number;
  /** Mean time of any other call. */
  callUs: number;
  /** Room for all files; ENOSPC beyond. */
  capacityBytes: number;
  /** The next sync fails with EIO. */
  failNextSync: boolean;
  /** The next sync (EIO) or write (ENOSPC) of a file in this folder fails. */
  next: { readonly code: "EIO" | "ENOSPC"; readonly folder: string } | undefined;
  /** How many of these have happened. */
  happened: number;
}

export const calmDisk = (): DiskFaults => ({
  syncUs: 200,
  callUs: 5,
  capacityBytes: Number.MAX_SAFE_INTEGER,
  failNextSync: false,
  next: undefined,
  happened: 0,
});

/**
 * The disk of one simulated process. What was synced survives `crash`; of what was only written
 * each 512-byte sector survives with some probability, and of names that were made, renamed or
 * removed without syncDir a front part. Calls of a process that dies never return.
 */
export class SimDisk implements Disk {
  readonly #world: World;
  readonly #actor: Actor;
  readonly #random: SimRandom;
  readonly #root: Folder;
  readonly faults: DiskFaults;
  syncs = 0;

  constructor(world: World, actor: Actor, faults: DiskFaults = calmDisk(), from?: SimDisk) {
    this.#world = world;
    this.#actor = actor;
    this.#random = from === undefined ? world.random.fork(`disk/${actor.name}`) : from.#random;
    this.#root = from === undefined ? new Folder() : from.#root;
    this.faults = faults;
  }

  /** The same files for the next process; the one before cannot write any more. */
  mount(actor: Actor): SimDisk {
    return new SimDisk(this.#world, actor, this.faults, this);
  }

  /** The power fails; call it after the actor was killed. */
  crash(): void {
    this.#root.crash(this.#random, this.#random.pick([0, 30, 70, 100]));
  }

  async open(path: string, options?: { create?: boolean; readOnly?: boolean }): Promise<File> {
    await this.#pause();
    const [folder, name] = this.#parent(path);
    let node = folder.entries.get(name);
    if (node === undefined) {
      if (!options?.create) throw systemError("ENOENT", path);
      node = new Inode();
      folder.change({ name, node });
    }
    if (!(node instanceof Inode)) throw systemError("EISDIR", path);
    return this.#file(path, node);
  }

  async exists(path: string): Promise<boolean> {
    await this.#pause();
    return this.#find(path) !== undefined;
  }

  async list(dir: string): Promise<string[]> {
    await this.#pause();
    return [...this.#folder(dir).entries.keys()].sort();
  }

  async mkdir(dir: string): Promise<void> {
    await this.#pause();
    let folder = this.#root;
    for (const name of partsOf(dir)) {
      const next = folder.entries.get(name) ?? new Folder();
      if (!(next instanceof Folder)) throw systemError("ENOTDIR", dir);
      if (!folder.entries.has(name)) folder.change({ name, node: next });
      folder = next;
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#pause();
    const [oldFolder, oldName] = this.#parent(from);
    const [newFolder, newName] = this.#parent(to);
    const node = oldFolder.entries.get(oldName);
    if (node === undefined) throw systemError("ENOENT", from);
    const added = { name: newName, node };
    const gone = { name: oldName, node: undefined };
    if (oldFolder === newFolder) {
      newFolder.change(gone, added);
      return;
    }
    newFolder.change(added);
    oldFolder.change(gone);
  }

  async remove(path: string): Promise<void> {
    await this.#pause();
    const [folder, name] = this.#parent(path);
    if (folder.entries.get(name) instanceof Folder) throw systemError("EISDIR", path);
    if (folder.entries.has(name)) folder.change({ name, node: undefined });
  }

  async removeAll(dir: string): Promise<void> {
    await this.#pause();
    if (this.#find(dir) === undefined) return;
    const [folder, name] = this.#parent(dir);
    folder.change({ name, node: undefined });
  }

  async syncDir(dir: string): Promise<void> {
    const folder = this.#folder(dir);
    const count = folder.pendingCount;
    await this.#sync(dir);
    folder.sync(count);
  }

  /** As syncDir, in no time: for what a model does beside its calls. */
  settle(dir: string): void {
    this.#folder(dir).sync();
  }

  #file(path: string, inode: Inode): File {
    const write = (parts: readonly Uint8Array[], at: number): Change => {
      // The bytes are taken now: the caller may reuse its buffers once the call has returned.
      const change: Change = { kind: "write", at, bytes: new Uint8Array(Buffer.concat(parts)) };
      const isFull = at + change.bytes.length > this.faults.capacityBytes;
      if (isFull || this.#happens("ENOSPC", path)) throw systemError("ENOSPC", path);
      if (!this.#actor.dead) inode.apply(change);
      return change;
    };
    return {
      path,
      write: async (parts, at) => {
        write(parts, at);
        await this.#pause();
      },
      writeDurably: async (parts, at) => {
        const change = write(parts, at);
        await this.#sync(path, inode);
        inode.syncOnly(change);
      },
      // The loop waits for it: no time passes for the others, and nothing can come between.
      writeDurablyNow: (bytes, at) => {
        this.syncs++;
        const change = write([bytes], at);
        if (this.#syncFails(path)) {
          inode.lose(this.#random, 50);
          throw systemError("EIO", path);
        }
        if (!this.#actor.dead) inode.syncOnly(change);
      },
      sync: async () => {
        const count = inode.pendingCount;
        await this.#sync(path, inode);
        inode.sync(Math.min(count, inode.pendingCount));
      },
      read: async (at, length) => {
        await this.#pause();
        return inode.bytes.slice(at, at + length);
      },
      size: async () => {
        await this.#pause();
        return inode.bytes.length;
      },
      truncate: async (size) => {
        if (!this.#actor.dead) inode.apply({ kind: "truncate", size });
        await this.#pause();
      },
      close: () => this.#pause(),
    };
  }

  #pause(): Promise<void> {
    const us = this.#random.below(2 * this.faults.callUs + 1);
    return new Promise((resolve) => {
      this.#world.after(us, this.#actor, "disk", resolve);
    });
  }

  #sync(path: string, inode?: Inode): Promise<void> {
    this.syncs++;
    const us = 1 + this.#random.geometric(this.faults.syncUs);
    const fails = this.#syncFails(path);
    return new Promise((resolve, reject) => {
      this.#world.after(us, this.#actor, "sync", () => {
        if (fails) {
          inode?.lose(this.#random, 50);
          reject(systemError("EIO", path));
        } else resolve();
      });
    });
  }

  #syncFails(path: string): boolean {
    const fails = this.faults.failNextSync;
    this.faults.failNextSync = false;
    return this.#happens("EIO", path) || fails;
  }

  #happens(code: "EIO" | "ENOSPC", path: string): boolean {
    const { next } = this.faults;
    if (next?.code !== code || !path.startsWith(next.folder)) return false;
    this.faults.next = undefined;
    this.faults.happened++;
    this.#world.note(`${code} at ${path}`, this.#actor);
    return true;
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of partsOf(path)) {
      if (!(node instanceof Folder)) return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  #folder(path: string): Folder {
    const node = this.#find(path);
    if (node === undefined) throw systemError("ENOENT", path);
    if (!(node instanceof Folder)) throw systemError("ENOTDIR", path);
    return node;
  }

  #parent(path: string): [Folder, string] {
    const parts = partsOf(path);
    const name = parts.pop();
    if (name === undefined) throw systemError("EINVAL", path);
    return [this.#folder(parts.join("/")), name];
  }
}

const partsOf = (path: string): string[] => path.split("/").filter((p) => p !== "" && p !== ".");

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

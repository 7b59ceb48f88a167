/**
 * `<data-dir>/member/snap`:
 *
 *   %016x-%016x.snap  term and index; snappb.snapshot {crc: CRC-32C of data, data: raftpb.Snapshot}
 *   %016x.snap.db     index; the database of a snapshot that is being received or installed
 */
import type { Snapshot } from "../../core/raft/types.ts";
import type { Index } from "../../core/types.ts";
import type { Distribution } from "../../lib/distribution.ts";
import type { Disk, Faults, Logger } from "../../ports/index.ts";
import { ProtoError, raftpb, snappb } from "../../proto/index.ts";
import { crc32c } from "../wal/index.ts";
import { SnapshotError } from "./types.ts";

const snapPattern = /^[0-9a-f]{16}-([0-9a-f]{16})\.snap$/;
/** Also what a crash left of one being written. */
const databasePattern = /^([0-9a-f]{16})\.snap\.db(\.tmp)?$/;
/** etcd's --max-snapshots. */
const defaultKeep = 5;

/** For the metrics page: seconds of each step, by a clock in milliseconds. */
export interface SnapMeasures {
  readonly nowMs: () => number;
  readonly snapMarshal: Distribution;
  readonly snapSync: Distribution;
  readonly snapSave: Distribution;
  readonly databaseSync: Distribution;
  readonly databaseSave: Distribution;
}

const hex16 = (n: number): string => n.toString(16).padStart(16, "0");

/** Raft's snapshots on disk, as etcd names and writes them. */
export class Snapshotter {
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #dir: string;
  readonly #measures: SnapMeasures | undefined;
  readonly #faults: Faults | undefined;

  /** `dir` exists. */
  constructor(
    disk: Disk,
    logger: Logger,
    dir: string,
    watched: { readonly measures?: SnapMeasures | undefined; readonly faults?: Faults } = {},
  ) {
    this.#measures = watched.measures;
    this.#faults = watched.faults;
    this.#disk = disk;
    this.#logger = logger;
    this.#dir = dir;
  }

  /** Durable, with its folder, when this resolves. */
  async save(snapshot: Snapshot): Promise<void> {
    const m = this.#measures;
    const begun = m?.nowMs() ?? 0;
    const { term, index } = snapshot.metadata;
    const data = raftpb.encodeSnapshot(snapshot);
    const bytes = snappb.encodeSnapshot({ crc: crc32c(data, 0), data });
    m?.snapMarshal.observe((m.nowMs() - begun) / 1000);
    await this.#write(`${hex16(term)}-${hex16(index)}.snap`, [bytes], m?.snapSync);
    m?.snapSave.observe((m.nowMs() - begun) / 1000);
  }

  /**
   * The newest file that `accept` takes; undefined when there is none. Files that do not read are
   * renamed to `*.broken` and passed over, as etcd does.
   */
  async loadNewest(accept: (snapshot: Snapshot) => boolean): Promise<Snapshot | undefined> {
    const names = (await this.#disk.list(this.#dir)).filter((name) => snapPattern.test(name));
    for (const name of names.reverse()) {
      const path = `${this.#dir}/${name}`;
      const snapshot = await this.#read(path).catch(async (error: unknown) => {
        if (!(error instanceof SnapshotError || error instanceof ProtoError)) throw error;
        this.#logger.warn("renaming a snap file that does not read", {
          path,
          error: error.message,
        });
        await this.#disk.rename(path, `${path}.broken`);
        return undefined;
      });
      if (snapshot !== undefined && accept(snapshot)) return snapshot;
    }
    return undefined;
  }

  /**
   * Stores the database of a snapshot that is being received; its path once all of it is durable.
   * Leaves nothing behind when `chunks` fails.
   */
  async saveDatabase(index: Index, chunks: AsyncIterable<Uint8Array>): Promise<string> {
    const name = `${hex16(index)}.snap.db`;
    const m = this.#measures;
    const begun = m?.nowMs() ?? 0;
    await this.#write(name, chunks, m?.databaseSync);
    m?.databaseSave.observe((m.nowMs() - begun) / 1000);
    return `${this.#dir}/${name}`;
  }

  /** Path of the database received for `index`, or undefined when there is none. */
  async databasePath(index: Index): Promise<string | undefined> {
    const path = `${this.#dir}/${hex16(index)}.snap.db`;
    return (await this.#disk.exists(path)) ? path : undefined;
  }

  /** Deletes databases received, or begun, for snapshots up to `index`: they are of no more use. */
  async releaseDatabases(index: Index): Promise<void> {
    for (const name of await this.#disk.list(this.#dir)) {
      const match = databasePattern.exec(name);
      if (match !== null && Number.parseInt(match[1] as string, 16) <= index) {
        await this.#disk.remove(`${this.#dir}/${name}`);
      }
    }
  }

  /** Deletes `.snap` files below `index`, keeping the newest `keep` of all. */
  async releaseTo(index: Index, keep = defaultKeep): Promise<void> {
    const names = (await this.#disk.list(this.#dir)).filter((name) => snapPattern.test(name));
    for (const name of names.slice(0, Math.max(0, names.length - keep))) {
      const at = Number.parseInt((snapPattern.exec(name) as RegExpExecArray)[1] as string, 16);
      if (at < index) await this.#disk.remove(`${this.#dir}/${name}`);
    }
  }

  async #read(path: string): Promise<Snapshot> {
    const file = await this.#disk.open(path, { readOnly: true });
    try {
      const bytes = await file.read(0, await file.size());
      const { crc, data } = snappb.decodeSnapshot(bytes);
      if (data.byteLength === 0 || crc === 0) throw new SnapshotError("corrupt", `${path}: empty`);
      if (crc32c(data, 0) !== crc) {
        throw new SnapshotError("corrupt", `${path}: the checksum is wrong`);
      }
      return raftpb.decodeSnapshot(data);
    } finally {
      await file.close();
    }
  }

  /** Writes a file whole or not at all. */
  async #write(
    name: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    syncs: Distribution | undefined,
  ): Promise<void> {
    const building = `${this.#dir}/${name}.tmp`;
    await this.#disk.remove(building);
    const file = await this.#disk.open(building, { create: true });
    try {
      try {
        let at = 0;
        for await (const chunk of chunks) {
          await file.write([chunk], at);
          at += chunk.byteLength;
        }
        const begun = this.#measures?.nowMs() ?? 0;
        await file.sync();
        syncs?.observe(((this.#measures?.nowMs() ?? 0) - begun) / 1000);
      } finally {
        await file.close();
      }
      await this.#disk.rename(building, `${this.#dir}/${name}`);
    } catch (error) {
      await this.#disk.remove(building).catch(() => {});
      throw error;
    }
    if (name.endsWith(".db")) this.#beforeDirSync();
    await this.#disk.syncDir(this.#dir);
  }

  #beforeDirSync(): void {
    this.#faults?.hit("snapDBRenameBeforeDirSync");
    const injected = this.#faults?.hit("snapDBDirSyncError");
    if (injected !== undefined) throw new Error(injected);
  }
}

/**
 * Where a restore builds, so that it is whole or not at all:
 *
 *   <data-dir>/member.restoring.<8 hex>   becomes <data-dir>/member by the last rename
 *   <wal-dir>.restoring.<8 hex>           becomes <wal-dir> just before, when there is a --wal-dir
 *
 * The name is drawn anew for each run, so that a run that was thought dead cannot put its files
 * among those of the next one. What a killed run left is removed by the next.
 */
import { randomBytes } from "node:crypto";
import { basename, dirname } from "node:path";
import type { Disk } from "../../ports/index.ts";
import { SnapshotError } from "./types.ts";

const idPattern = /^[0-9a-f]{8}$/;
const leftoverPattern = /^member\.restoring\.[0-9a-f]{8}$/;
/** Made by mkfs on a volume of its own. */
const lostFound = "lost+found";

const unique = (): string => randomBytes(4).toString("hex");

export class RestoreTarget {
  readonly #disk: Disk;
  readonly #dataDir: string;
  readonly #walDir: string | undefined;
  /** Folders that were missing, the outermost first. */
  readonly #made: readonly string[];
  /** The member is built in here. */
  readonly building: string;
  readonly walBuilding: string;
  #walPublished = false;

  private constructor(
    disk: Disk,
    dataDir: string,
    walDir: string | undefined,
    made: readonly string[],
  ) {
    this.#disk = disk;
    this.#dataDir = dataDir;
    this.#walDir = walDir;
    this.#made = made;
    const id = unique();
    this.building = `${dataDir}/member.restoring.${id}`;
    this.walBuilding = walDir === undefined ? `${this.building}/wal` : `${walDir}.restoring.${id}`;
  }

  /**
   * Checks that both folders are free and writes nothing yet, but clears what a killed restore
   * left. Rejects with SnapshotError "exists".
   */
  static async prepare(
    disk: Disk,
    dataDir: string,
    walDir: string | undefined,
  ): Promise<RestoreTarget> {
    const names = await namesIn(disk, dataDir);
    const leftovers = names.filter((name) => leftoverPattern.test(name));
    const others = names.filter((name) => name !== lostFound && !leftoverPattern.test(name));
    if (others.length > 0) {
      throw new SnapshotError(
        "exists",
        `data-dir ${JSON.stringify(dataDir)} not empty or could not be read: it holds ` +
          `${some(others)}. Nothing was changed. Restore into a folder that is empty or missing`,
      );
    }
    if (walDir !== undefined && (await disk.exists(walDir))) {
      const why =
        leftovers.length > 0
          ? ` and a restore into ${dataDir} was interrupted: if this was its --wal-dir, remove ` +
            `${walDir} and run the restore again`
          : ". Nothing was changed. Name a --wal-dir that does not exist";
      throw new SnapshotError("exists", `wal-dir ${JSON.stringify(walDir)} exists${why}`);
    }
    for (const name of leftovers) await removeLeftover(disk, `${dataDir}/${name}`);
    if (walDir !== undefined) await removeLogs(disk, walDir);
    const made = [...(await missing(disk, dataDir))];
    return new RestoreTarget(disk, dataDir, walDir, made);
  }

  /** The member is in place, and durable, when this resolves. */
  async publish(): Promise<void> {
    const disk = this.#disk;
    await disk.syncDir(this.building);
    if (this.#walDir !== undefined) {
      await disk.rename(this.walBuilding, this.#walDir);
      this.#walPublished = true;
      await disk.syncDir(dirname(this.#walDir));
    }
    await disk.rename(this.building, `${this.#dataDir}/member`);
    await disk.syncDir(this.#dataDir);
    for (const dir of this.#made) await disk.syncDir(dirname(dir));
  }

  /** Removes everything this restore made. What cannot be removed is named in the answer. */
  async discard(): Promise<string[]> {
    const disk = this.#disk;
    const own = [this.building, this.walBuilding];
    if (this.#walPublished) own.push(this.#walDir as string);
    const stuck: string[] = [];
    for (const dir of own) await disk.removeAll(dir).catch(() => stuck.push(dir));
    for (const dir of [...this.#made].reverse()) {
      // Someone else's files may have come in meanwhile.
      const names = await namesIn(disk, dir).catch(() => ["?"]);
      if (names.length > 0) break;
      await disk.removeAll(dir).catch(() => stuck.push(dir));
    }
    return stuck;
  }
}

/** A run that still writes there fails, instead of filling a folder that is being removed. */
async function removeLeftover(disk: Disk, path: string): Promise<void> {
  const moved = path.replace(/[0-9a-f]{8}$/, unique());
  await disk.rename(path, moved);
  await disk.removeAll(moved);
}

/** What killed restores left beside a --wal-dir. */
async function removeLogs(disk: Disk, walDir: string): Promise<void> {
  const above = dirname(walDir);
  const prefix = `${basename(walDir)}.restoring.`;
  for (const name of await namesIn(disk, above)) {
    const isLeftover = name.startsWith(prefix) && idPattern.test(name.slice(prefix.length));
    if (isLeftover) await removeLeftover(disk, `${above}/${name}`);
  }
}

/** Names in a folder; none when it is missing. */
async function namesIn(disk: Disk, dir: string): Promise<string[]> {
  try {
    return await disk.list(dir);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === "ENOENT") return [];
    throw new SnapshotError(
      "exists",
      `data-dir ${JSON.stringify(dir)} not empty or could not be read: ${(error as Error).message}`,
    );
  }
}

/** `dir` and the folders above it that do not exist, the outermost first. */
async function missing(disk: Disk, dir: string): Promise<string[]> {
  if (await disk.exists(dir)) return [];
  const above = dirname(dir);
  return above === dir ? [] : [...(await missing(disk, above)), dir];
}

const some = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and others`;

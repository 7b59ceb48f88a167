/**
 * Which folder below `member/snap` is the engine's: the one that the file CURRENT names, `db`
 * without that file. Installing a received snapshot makes `db.<index>` and then swaps CURRENT, so
 * that a crash leaves the old state or the new one, whole.
 */
import type { Index } from "../../core/types.ts";
import type { Disk } from "../../ports/index.ts";
import { SnapshotError } from "./types.ts";

const currentName = "CURRENT";
const firstName = "db";
const pattern = /^db(\.[0-9a-f]{16})?$/;

const engineName = (index: Index): string => `db.${index.toString(16).padStart(16, "0")}`;

/**
 * The engine's folder under `snapDir` as an absolute path (the engine makes it when it is new);
 * removes leftovers of installs and downloads that did not finish. Rejects with SnapshotError
 * "foreign" when `db` is a file, as in a real etcd's data folder, and "corrupt" when CURRENT makes
 * no sense.
 */
export async function chooseEngineDir(disk: Disk, snapDir: string): Promise<string> {
  await disk.mkdir(snapDir);
  const current = await currentEngine(disk, snapDir);
  // What CURRENT says may be a dead process's rename that was never synced: it must hold before
  // the other folder goes.
  await disk.syncDir(snapDir);
  for (const name of await disk.list(snapDir)) {
    if (pattern.test(name) && name !== current) await disk.removeAll(`${snapDir}/${name}`);
    if (/\.tmp$/.test(name)) await disk.remove(`${snapDir}/${name}`);
  }
  return `${snapDir}/${current}`;
}

/**
 * The engine's folder, without changing anything; undefined when no engine was made yet. Rejects
 * as `chooseEngineDir`.
 */
export async function findEngineDir(disk: Disk, snapDir: string): Promise<string | undefined> {
  if (!(await disk.exists(snapDir))) return undefined;
  const dir = `${snapDir}/${await currentEngine(disk, snapDir)}`;
  return (await disk.exists(dir)) ? dir : undefined;
}

async function currentEngine(disk: Disk, snapDir: string): Promise<string> {
  const names = await disk.list(snapDir);
  const current = names.includes(currentName) ? await readCurrent(disk, snapDir) : firstName;
  if (names.includes(firstName)) await refuseFile(disk, `${snapDir}/${firstName}`);
  if (current !== firstName && !names.includes(current)) {
    throw new SnapshotError(
      "corrupt",
      `${snapDir}/${currentName} names ${current}, which is missing. Remove this member from the` +
        " cluster and add it again with an empty data folder",
    );
  }
  return current;
}

/** The folder to import a received snapshot into: `db.<index>`; removed when it is there. */
export async function prepareEngineDir(disk: Disk, snapDir: string, index: Index): Promise<string> {
  const dir = `${snapDir}/${engineName(index)}`;
  await disk.removeAll(dir);
  return dir;
}

/**
 * Makes `db.<index>` the engine's folder: durable when this resolves. The old one is closed by
 * then or soon after, and removed by the next `chooseEngineDir`.
 */
export async function swapEngineDir(disk: Disk, snapDir: string, index: Index): Promise<void> {
  await disk.syncDir(snapDir);
  const building = `${snapDir}/${currentName}.tmp`;
  await disk.remove(building);
  const file = await disk.open(building, { create: true });
  await file.write([Buffer.from(`${engineName(index)}\n`)], 0);
  await file.sync();
  await file.close();
  await disk.rename(building, `${snapDir}/${currentName}`);
  await disk.syncDir(snapDir);
}

async function readCurrent(disk: Disk, snapDir: string): Promise<string> {
  const path = `${snapDir}/${currentName}`;
  const file = await disk.open(path, { readOnly: true });
  try {
    const name = Buffer.from(await file.read(0, 100))
      .toString("latin1")
      .trim();
    if (pattern.test(name)) return name;
    throw new SnapshotError("corrupt", `${path} holds ${JSON.stringify(name)}, no engine's folder`);
  } finally {
    await file.close();
  }
}

async function refuseFile(disk: Disk, path: string): Promise<void> {
  try {
    await disk.list(path);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ENOTDIR") throw error;
    throw new SnapshotError(
      "foreign",
      `${path} is a file: this data folder was made by a real etcd. Start with an empty data` +
        " folder and join the cluster as a new member, or restore from a snapshot of that etcd",
    );
  }
}

import { constants } from "node:fs";
import { copyFile, link, mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Files that RocksDB writes once and never changes: two folders may share them. */
const writtenOnce = /\.(sst|blob)$/;

/**
 * Makes `to`, which must not exist, an engine of its own with the rows of the closed engine `from`:
 * data files are shared by hard links (copied where the file system has none), the small rest is
 * copied. Durable when this resolves. Rejects with the system's error.
 */
export async function cloneRocksEngine(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (!entry.isFile() || entry.name === "LOCK" || /^LOG/.test(entry.name)) continue;
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (writtenOnce.test(entry.name) && (await linked(source, target))) continue;
    await copyFile(source, target, constants.COPYFILE_FICLONE);
    await sync(target);
  }
  await sync(to);
}

async function linked(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (["EPERM", "EXDEV", "EMLINK", "ENOTSUP", "ENOSYS", "EOPNOTSUPP"].includes(code ?? "")) {
      return false;
    }
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

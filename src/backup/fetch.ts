/** Brings a stored object back as the plain snapshot file it was made from. */
import { statfs } from "node:fs/promises";
import type { Disk, File } from "../ports/index.ts";
import { formatBytes, type Job } from "./job.ts";
import { HashedTail, readInto } from "./stream.ts";
import { codeOf } from "./system-errors.ts";
import { BackupError, type Manifest } from "./types.ts";

export interface Fetched {
  /** Of the stored object. */
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Decompressed. */
  readonly snapshotBytes: number;
  /** Whether the file ends with the sha256 of what is before: all but copies of a data folder's file do. */
  readonly hashed: boolean;
}

/** Reads and checks all of the stored object, and keeps nothing. */
export async function readStored(job: Job, key: string, totalBytes: number): Promise<Fetched> {
  return fetchInto(job, "verify", key, totalBytes, async () => undefined);
}

/** Writes the decompressed object to `path`, which must not be there; not synced. */
export async function fetchFile(
  job: Job,
  step: string,
  key: string,
  totalBytes: number,
  disk: Disk,
  path: string,
): Promise<Fetched> {
  const file: File = await disk.open(path, { create: true });
  try {
    let at = 0;
    return await fetchInto(job, step, key, totalBytes, async (chunk) => {
      await file.write([chunk], at);
      at += chunk.byteLength;
    });
  } catch (error) {
    if (!["ENOSPC", "EDQUOT"].includes(codeOf(error) ?? "")) throw error;
    throw new BackupError(
      "NotEnoughSpace",
      `The volume of ${path} became full while ${key} was copied to it. Only that copy is lost; give ` +
        "the volume more room.",
    );
  } finally {
    await file.close();
  }
}

async function fetchInto(
  job: Job,
  step: string,
  key: string,
  totalBytes: number,
  sink: (chunk: Uint8Array) => Promise<void>,
): Promise<Fetched> {
  const tail = new HashedTail();
  const progress = job.steps.progress(step, totalBytes);
  let snapshotBytes = 0;
  const stored = await readInto(job.destination.read(key), async (chunk) => {
    tail.update(chunk);
    snapshotBytes += chunk.byteLength;
    progress(chunk.byteLength);
    await sink(chunk);
  });
  return { ...stored, snapshotBytes, hashed: tail.matches() };
}

/** Throws BackupError HashMismatch where the stored object is not the one that the manifest describes. */
export function assertMatches(fetched: Fetched, manifest: Manifest, uri: string): void {
  const faults: string[] = [];
  if (fetched.sizeBytes !== manifest.sizeBytes) {
    faults.push(`${fetched.sizeBytes} bytes instead of ${manifest.sizeBytes}`);
  }
  if (fetched.sha256 !== manifest.sha256) {
    faults.push(`sha256 ${fetched.sha256} instead of ${manifest.sha256}`);
  }
  if (fetched.snapshotBytes !== manifest.snapshotBytes) {
    faults.push(`${fetched.snapshotBytes} bytes of snapshot instead of ${manifest.snapshotBytes}`);
  }
  if (faults.length === 0 && !fetched.hashed) faults.push("its own trailing sha256 is wrong");
  if (faults.length === 0) return;
  throw new BackupError(
    "HashMismatch",
    `${uri} is not what was stored there: ${faults.join(", ")}. Nothing was restored from it; use ` +
      "another backup, and look at the storage: it changed or lost data.",
  );
}

/** Throws BackupError NotEnoughSpace where the volume of `dir` has less than that. */
export async function assertSpace(dir: string, bytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(dir);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new BackupError(
    "NotEnoughSpace",
    `${what} needs about ${formatBytes(bytes)} in ${dir}, which has ${formatBytes(free)} left. ` +
      "Nothing was changed; give it more room.",
  );
}

/** A snapshot file and the data made of it, which take about as much each, and some room to work. */
export const restoreBytes = (snapshotBytes: number): number =>
  Math.ceil(2.2 * snapshotBytes) + 32 * 2 ** 20;

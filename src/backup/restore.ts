/** `quoin backup restore`: a stored object becomes the data of a new cluster's first member. */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { bootstrapCluster, parseInitialCluster } from "../core/membership/index.ts";
import { hexId } from "../core/types.ts";
import { restoreSnapshot } from "../storage/snapshot/index.ts";
import type { Machine } from "./drill.ts";
import { assertMatches, assertSpace, type Fetched, fetchFile, restoreBytes } from "./fetch.ts";
import { throwIfInterrupted } from "./interruption.ts";
import { type Job, uriOf } from "./job.ts";
import { readManifest } from "./manifest.ts";
import type { RestoreJobOptions } from "./options.ts";
import { artifactMissing } from "./refusals.ts";
import { asBackupError } from "./snapshot-errors.ts";
import { compressionOfKey } from "./stream.ts";
import { BackupError, type BackupErrorCode, type JobReport, type Manifest } from "./types.ts";

/** A member's data that lies in a folder; ids are hexadecimal. */
export interface FoundMember {
  readonly memberID: string;
  readonly clusterID: string;
  readonly revision: number;
}

export interface RestoreMachine extends Machine {
  /** The data of `<dataDir>/member`, read without changing it. */
  readonly readMember: (dataDir: string) => Promise<FoundMember>;
}

/** What restoreSnapshot builds in; never a member's state before it is renamed. */
const buildingPattern = /^member\.restoring(\.|$)/;
const memberName = "member";
/** Beside the data folder, so on its volume: the snapshot while it is being restored. */
const partName = "restore.part";
/** A guess for objects without a manifest. */
const compressionFactor = 4;

/**
 * Whole or not at all, and again after any death: data of the very member that is asked for is success, what
 * a dead run left half-made is removed, anybody else's data is left alone. Leases and the auth state are kept
 * as the snapshot has them. Rejects with BackupError.
 */
export async function restore(
  o: RestoreJobOptions,
  job: Job,
  machine: RestoreMachine,
): Promise<JobReport> {
  const { steps, destination } = job;
  const uri = uriOf(destination, o.key);
  const wanted = identityOf(o);
  const manifest = await manifestOf(o, job);
  const report = (restored: FoundMember, found: boolean): JobReport => ({
    outcome: "Succeeded",
    message:
      `${found ? "An earlier run had restored" : "Restored"} ${uri} as member ${o.name}, revision ` +
      `${restored.revision}${o.revisionBump > 0 ? ` (${o.revisionBump} added)` : ""}.`,
    ...(manifest === undefined ? {} : { manifest }),
    uri,
    restored: { ...restored, found },
    seconds: steps.seconds(),
  });
  const { disk } = machine;
  const volume = dirname(o.dataDir);
  await mkdir(volume, { recursive: true });
  const part = `${volume}/${partName}`;
  await disk.remove(part);
  const found = await finishedMember(o, wanted, machine);
  if (found !== undefined) return report(found, true);
  try {
    await steps.run("download", () => download(o, job, machine, manifest, part));
    throwIfInterrupted(job.signal);
    const { revision } = await steps.run("restore", () => build(o, job, machine, part));
    await disk.remove(part);
    await disk.syncDir(volume);
    return report({ ...wanted, revision }, false);
  } catch (error) {
    await disk.remove(part).catch(() => undefined);
    throw error;
  }
}

/** Ids follow from token, name and URLs; nothing else may be in the folder. */
function identityOf(o: RestoreJobOptions): Omit<FoundMember, "revision"> {
  const invalid = (what: string) =>
    new BackupError("InvalidConfig", `${what}. Nothing was read or changed.`);
  const initial = parseInitialCluster(o.initialCluster);
  if (!initial.ok) throw invalid(initial.error);
  const sha1 = (bytes: Uint8Array) => createHash("sha1").update(bytes).digest();
  const cluster = bootstrapCluster(sha1, o.token, initial.value);
  if (!cluster.ok) throw invalid(cluster.error);
  const self = cluster.value.memberByName(o.name);
  if (self === undefined) throw invalid(`--initial-cluster does not name ${o.name}`);
  return { memberID: hexId(self.id), clusterID: hexId(cluster.value.clusterId) };
}

/** What an earlier run finished. Rejects with AlreadyExists where the folder holds anything else. */
async function finishedMember(
  o: RestoreJobOptions,
  wanted: Omit<FoundMember, "revision">,
  { disk, readMember }: RestoreMachine,
): Promise<FoundMember | undefined> {
  if (!(await disk.exists(o.dataDir))) return undefined;
  const names = (await disk.list(o.dataDir)).filter((name) => name !== "lost+found");
  const taken = (what: string) =>
    new BackupError(
      "AlreadyExists",
      `${o.dataDir} ${what}. It was left as it is and nothing was restored; give the restore an ` +
        "empty volume.",
    );
  if (!names.includes(memberName)) {
    const others = names.filter((name) => !buildingPattern.test(name));
    if (others.length > 0) throw taken(`holds ${others.slice(0, 5).join(", ")}`);
    // Now, so that the room they take is free for what comes.
    for (const name of names) {
      if (buildingPattern.test(name)) await disk.removeAll(`${o.dataDir}/${name}`);
    }
    return undefined;
  }
  let found: FoundMember;
  try {
    found = await readMember(o.dataDir);
  } catch (error) {
    throw taken(`holds a member's data that cannot be read (${(error as Error).message})`);
  }
  if (found.memberID === wanted.memberID && found.clusterID === wanted.clusterID) return found;
  throw taken(
    `holds member ${found.memberID} of cluster ${found.clusterID}, not ${wanted.memberID} of ` +
      wanted.clusterID,
  );
}

/** Undefined for a plain snapshot file, such as a real etcd's. */
async function manifestOf(o: RestoreJobOptions, job: Job): Promise<Manifest | undefined> {
  const found = await readManifest(job.destination, o.key);
  switch (found.kind) {
    case "manifest": {
      const { manifest } = found;
      if (o.sha256 === undefined || o.sha256 === manifest.sha256) return manifest;
      throw new BackupError(
        "HashMismatch",
        `${uriOf(job.destination, o.key)} was stored with sha256 ${manifest.sha256}, and the restore ` +
          `asks for ${o.sha256}. Nothing was restored; see which backup is meant.`,
      );
    }
    case "absent":
      return undefined;
    case "claim":
      job.logger.warn("a run ended in the midst of this object; its own hash decides", {
        key: o.key,
        state: found.claim.state,
      });
      return undefined;
    case "unreadable":
      job.logger.warn("going on without the manifest", { problem: found.why });
      return undefined;
  }
}

async function download(
  o: RestoreJobOptions,
  job: Job,
  { disk }: Machine,
  manifest: Manifest | undefined,
  part: string,
): Promise<void> {
  const uri = uriOf(job.destination, o.key);
  const snapshotBytes = manifest?.snapshotBytes ?? (await guessedBytes(o.key, job));
  await assertSpace(dirname(part), restoreBytes(snapshotBytes), `Restoring ${uri}`);
  const fetched = await fetchFile(job, "download", o.key, snapshotBytes, disk, part);
  if (manifest !== undefined) assertMatches(fetched, manifest, uri);
  else assertPlain(o, fetched, uri);
}

/** Rejects with ArtifactMissing. */
async function guessedBytes(key: string, { destination }: Job): Promise<number> {
  for await (const object of destination.list(key)) {
    if (object.key !== key) continue;
    return object.sizeBytes * (compressionOfKey(key) === "none" ? 1 : compressionFactor);
  }
  throw artifactMissing(key, destination.uri);
}

/** Without a manifest: the checksum that was given, and the sha256 that the file brings. */
function assertPlain(o: RestoreJobOptions, fetched: Fetched, uri: string): void {
  const refuse = (code: BackupErrorCode, what: string) =>
    new BackupError(code, `${uri} ${what}. Nothing was restored.`);
  if (o.sha256 !== undefined && o.sha256 !== fetched.sha256) {
    throw refuse("HashMismatch", `has sha256 ${fetched.sha256} where ${o.sha256} was asked for`);
  }
  if (fetched.hashed || o.skipHashCheck) return;
  if (fetched.snapshotBytes % 512 === 32) {
    throw refuse("HashMismatch", "is damaged: the sha256 at its end is not that of its bytes");
  }
  throw refuse(
    "InvalidSnapshot",
    "has no sha256 at its end: it was cut off, is no snapshot, or was copied from a data folder. " +
      "For such a copy set skipHashCheck (--skip-hash-check)",
  );
}

async function build(
  o: RestoreJobOptions,
  job: Job,
  machine: Machine,
  path: string,
): Promise<{ readonly revision: number }> {
  try {
    return await restoreSnapshot({
      ...machine,
      logger: job.logger,
      path,
      dataDir: o.dataDir,
      name: o.name,
      initialCluster: o.initialCluster,
      initialClusterToken: o.token,
      peerUrls: o.peerUrls,
      // Checked while it was downloaded.
      skipHashCheck: true,
      signal: job.signal,
      progress: job.steps.share("restore"),
      ...(o.revisionBump > 0 ? { revisionBump: o.revisionBump, markCompacted: true } : {}),
    });
  } catch (error) {
    throw asBackupError(error, job.signal);
  }
}

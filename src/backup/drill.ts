/** Does a stored object come back to life? Restores it into a throw-away member and compares. */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Disk, Engine, Faults } from "../ports/index.ts";
import { restoreSnapshot } from "../storage/snapshot/index.ts";
import { DrillMember, loopbackUrls } from "./drill-member.ts";
import { assertMatches, assertSpace, fetchFile, restoreBytes } from "./fetch.ts";
import { interruption } from "./interruption.ts";
import { type Job, uriOf } from "./job.ts";
import { asBackupError } from "./snapshot-errors.ts";
import { BackupError, type Manifest } from "./types.ts";

/** The local machine, for restores. */
export interface Machine {
  readonly disk: Disk;
  readonly faults: Faults;
  readonly openEngine: (dir: string) => Promise<Engine>;
  /** Program and first arguments of `quoin server`. */
  readonly serverCommand: readonly [string, ...string[]];
}

const name = "drill";
const folderStart = "quoin-drill-";
const hashTimeoutMs = 900_000;

/**
 * Restores the stored object, as it lies there and without a revision bump, as a cluster of one with a token
 * nobody else has, boots it and compares revision, compact revision and HashKV with the manifest. Rejects
 * with BackupError: HashMismatch for the object, DrillFailed for the member. Leaves nothing in `scratchDir`.
 */
export async function drill(
  manifest: Manifest,
  job: Job,
  machine: Machine,
  scratchDir: string,
): Promise<void> {
  await mkdir(scratchDir, { recursive: true });
  await removeLeftovers(scratchDir);
  await assertSpace(scratchDir, restoreBytes(manifest.snapshotBytes), "The drill");
  const dir = join(scratchDir, `${folderStart}${process.pid}-${randomBytes(4).toString("hex")}`);
  await mkdir(dir, { mode: 0o700 });
  try {
    await drillIn(dir, manifest, job, machine);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Of runs that were killed: a container that starts again finds its scratch volume as it was. */
export async function removeLeftovers(scratchDir: string): Promise<void> {
  for (const entry of await readdir(scratchDir)) {
    const pid = new RegExp(`^${folderStart}(\\d+)-`).exec(entry)?.[1];
    if (pid === undefined || isOther(Number(pid))) continue;
    await rm(join(scratchDir, entry), { recursive: true, force: true });
  }
}

/** Whether another living process has this id. In a container the next run often has the id of the last. */
function isOther(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function drillIn(dir: string, manifest: Manifest, job: Job, machine: Machine): Promise<void> {
  const { steps, destination } = job;
  const { disk } = machine;
  const path = join(dir, "snapshot.db");
  await steps.run("drill-download", async () => {
    const { key, snapshotBytes } = manifest;
    const fetched = await fetchFile(job, "drill-download", key, snapshotBytes, disk, path);
    assertMatches(fetched, manifest, uriOf(destination, key));
  });
  const [peerUrl, clientUrl] = (await loopbackUrls(2)) as [string, string];
  const token = `drill-${randomBytes(16).toString("hex")}`;
  const dataDir = join(dir, "data");
  await steps.run("drill-restore", async () => {
    try {
      await restoreSnapshot({
        ...machine,
        logger: job.logger,
        path,
        dataDir,
        name,
        initialCluster: `${name}=${peerUrl}`,
        initialClusterToken: token,
        peerUrls: [peerUrl],
        // Checked while it was downloaded.
        skipHashCheck: true,
        signal: job.signal,
        progress: steps.share("drill-restore"),
      });
    } catch (error) {
      const known = asBackupError(error, job.signal);
      const isOurs = known instanceof BackupError && ourFaults.has(known.code);
      throw isOurs ? known : failed(`it does not restore: ${(error as Error).message}`);
    }
    await disk.remove(path);
  });
  await steps.run("drill-boot", async () => {
    await using member = new DrillMember({
      command: machine.serverCommand,
      name,
      dataDir,
      logFile: join(dir, "server.log"),
      peerUrl,
      clientUrl,
      token,
      signal: job.signal,
    });
    await member.ready(job.nowMs);
    await compare(member, clientUrl, manifest, job);
  });
}

/** At the manifest's revision: leases that run out meanwhile may have moved the member on. */
async function compare(
  member: DrillMember,
  clientUrl: string,
  manifest: Manifest,
  job: Job,
): Promise<void> {
  const options = { timeoutMs: hashTimeoutMs, signal: job.signal };
  const { maintenance } = member.client;
  const found = await maintenance
    .hashKv(clientUrl, manifest.revision, options)
    .catch((error: unknown) => {
      if (job.signal.aborted) throw interruption(job.signal);
      throw failed(`its member does not tell HashKV: ${(error as Error).message}`);
    });
  const revision = Number(found.header?.revision ?? 0);
  const faults: string[] = [];
  const expect = (what: string, is: number, wanted: number): void => {
    if (is !== wanted) faults.push(`${what} ${is} instead of ${wanted}`);
  };
  expect("HashKV", found.hash, manifest.hashKV);
  expect("compact revision", Math.max(0, found.compactRevision), manifest.compactRevision);
  if (revision < manifest.revision) expect("revision", revision, manifest.revision);
  if (faults.length > 0) throw failed(`its member shows ${faults.join(", ")}`);
  job.logger.info("the stored object came back to life", {
    revision: manifest.revision,
    "hash-kv": found.hash,
  });
}

/** Failures of the drill that say nothing of the stored object. */
const ourFaults: ReadonlySet<string> = new Set(["NotEnoughSpace", "Interrupted"]);

function failed(what: string): BackupError {
  return new BackupError(
    "DrillFailed",
    `The stored object failed the drill: ${what}. It is kept, not verified; do not rely on it. Take ` +
      "another backup, and if that fails too compare the members with etcdctl endpoint hashkv.",
  );
}

/** Verification of what is stored, and what the manifest then says. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { snapshotFacts } from "../storage/snapshot/index.ts";
import { drill, type Machine } from "./drill.ts";
import { assertMatches, assertSpace, fetchFile, readStored } from "./fetch.ts";
import { type Job, uriOf } from "./job.ts";
import { readManifest, writeManifest } from "./manifest.ts";
import type { Verify, VerifyOptions } from "./options.ts";
import { deleteArtifact } from "./prune.ts";
import { artifactMissing } from "./refusals.ts";
import type { Facts } from "./save.ts";
import { BackupError, type JobReport, type Manifest } from "./types.ts";

/** Reads the stored object again, or boots a member from it; the manifest that says so is stored. */
export async function verify(
  manifest: Manifest,
  kind: Exclude<Verify, "None">,
  job: Job,
  machine: Machine,
  scratchDir: string,
): Promise<Manifest> {
  if (kind === "Checksum") {
    const { key, snapshotBytes } = manifest;
    const stored = await readStored(job, key, snapshotBytes);
    assertMatches(stored, manifest, uriOf(job.destination, key));
  } else await drill(manifest, job, machine, scratchDir);
  const time = new Date(job.nowMs()).toISOString();
  const verified: Manifest = { ...manifest, verified: { kind, time } };
  await writeManifest(job.destination, verified);
  return verified;
}

/** As verify, for what this run has stored: what is provably not what was sent is taken back. */
export async function verifyOwn(
  manifest: Manifest,
  kind: Exclude<Verify, "None">,
  job: Job,
  machine: Machine,
  scratchDir: string,
): Promise<Manifest> {
  try {
    return await verify(manifest, kind, job, machine, scratchDir);
  } catch (error) {
    const isOther =
      error instanceof BackupError && ["HashMismatch", "InvalidSnapshot"].includes(error.code);
    if (isOther) await takeBackPromised(manifest, job);
    throw error;
  }
}

/** The promise goes first, which takeBack does not mind: it is for objects without a manifest. */
async function takeBackPromised({ key, lineage }: Manifest, job: Job): Promise<void> {
  delete job.stored;
  try {
    await deleteArtifact(job.destination, key, lineage, job.nowMs());
  } catch (error) {
    job.logger.warn("could not take back an object", { key, problem: (error as Error).message });
  }
}

/** `quoin backup verify`. */
export async function runVerify(o: VerifyOptions, job: Job, machine: Machine): Promise<JobReport> {
  const found = await readManifest(job.destination, o.key);
  const uri = uriOf(job.destination, o.key);
  if (found.kind === "absent") throw artifactMissing(`manifest of ${o.key}`, job.destination.uri);
  if (found.kind !== "manifest") {
    const why = found.kind === "claim" ? `${uri} is not whole (${found.claim.state})` : found.why;
    throw new BackupError(
      "InvalidSnapshot",
      `${uri} cannot be verified: ${why}. Nothing was changed.`,
    );
  }
  const { key } = found.manifest;
  const manifest = await job.steps.run("verify", () =>
    verify(found.manifest, o.verify, job, machine, o.scratchDir),
  );
  return {
    outcome: "Succeeded",
    message: `${uri} is what was stored (${o.verify}).`,
    manifest,
    uri: uriOf(job.destination, key),
    seconds: job.steps.seconds(),
  };
}

/** Of an object from a server that does not say them: computed from the stored bytes. */
export async function readFacts(
  key: string,
  snapshotBytes: number,
  job: Job,
  machine: Machine,
  scratchDir: string,
): Promise<Facts> {
  await mkdir(scratchDir, { recursive: true });
  const room = snapshotBytes + 2 ** 20;
  await assertSpace(scratchDir, room, "Reading the revision of a snapshot of a real etcd");
  const path = join(scratchDir, `quoin-facts-${process.pid}.db`);
  await rm(path, { force: true });
  try {
    await fetchFile(job, "facts", key, snapshotBytes, machine.disk, path);
    const { hashKv, ...facts } = await snapshotFacts(machine.disk, path);
    return { ...facts, hashKV: hashKv };
  } finally {
    await rm(path, { force: true });
  }
}

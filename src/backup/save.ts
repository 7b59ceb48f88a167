/** `quoin backup save`: a snapshot of a cluster becomes a stored object with a manifest. */
import { createHash } from "node:crypto";
import { Client, RpcError } from "../client/index.ts";
import { interruption, pause, throwIfInterrupted } from "./interruption.ts";
import { formatBytes, type Job, uriOf } from "./job.ts";
import { artifactKey, clusterPrefix, manifestKey } from "./keys.ts";
import { writeClaim, writeManifest } from "./manifest.ts";
import { type ChosenMember, chooseMember } from "./members.ts";
import type { SaveOptions } from "./options.ts";
import { checkedSnapshot, compressInto, type PassedSnapshot } from "./stream.ts";
import { readTlsFiles } from "./tls-files.ts";
import { BackupError, type JobReport, type Manifest } from "./types.ts";

/** Each with a key of its own, and another member where there is one. */
const attemptsMax = 3;
const pauseMs = 1000;
const askTimeoutMs = 5000;
/** Of the stream's bytes that are here and not yet stored, the most. */
const receiveWindowBytes = 2 * 2 ** 20;

/** What a snapshot holds, as its server says or its rows do. */
export interface Facts {
  readonly revision: number;
  readonly compactRevision: number;
  readonly hashKV: number;
}

/** What save needs of its surroundings besides the job. */
export interface SaveSteps {
  /** Reads a stored object again; resolves to the facts where `facts` is undefined. */
  readonly readFacts: (key: string, snapshotBytes: number, job: Job) => Promise<Facts>;
  /** Returns the manifest with `verified` where something was verified. */
  readonly verify: (manifest: Manifest, job: Job) => Promise<Manifest>;
  readonly prune: (manifest: Manifest, job: Job) => Promise<JobReport["pruned"]>;
}

/** Rejects with BackupError; then nothing of this run is visible, but for what the message names. */
export async function save(o: SaveOptions, job: Job, more: SaveSteps): Promise<JobReport> {
  const { destination, steps } = job;
  await sweep(o, job);
  const manifest = await steps.run("upload", () => upload(o, job, more));
  job.stored = { manifest, uri: uriOf(destination, manifest.key) };
  const verified = await steps.run("verify", () => more.verify(manifest, job));
  const pruned = await steps.run("prune", () => more.prune(verified, job));
  const kind = verified.verified?.kind;
  return {
    outcome: "Succeeded",
    message:
      `Stored revision ${verified.revision} as ${formatBytes(verified.sizeBytes)}` +
      `${kind === undefined ? ", not verified" : `, verified (${kind})`}` +
      `${verified.possiblyStale ? "; without a quorum, so late writes may be missing" : ""}.`,
    manifest: verified,
    uri: uriOf(destination, verified.key),
    ...(pruned === undefined ? {} : { pruned }),
    seconds: steps.seconds(),
  };
}

/** Dead runs' leftovers cost room, and nothing else: a storage that refuses is told, not obeyed. */
async function sweep(o: SaveOptions, { destination, logger, steps }: Job): Promise<void> {
  const prefix = clusterPrefix(o.cluster.namespace, o.cluster.name);
  try {
    const swept = await steps.run("sweep", () => destination.sweep(prefix, o.sweepAfterMs));
    if (swept > 0) logger.info("removed unfinished uploads of dead runs", { count: swept });
  } catch (error) {
    if (error instanceof BackupError && error.code === "Interrupted") throw error;
    logger.warn("cannot look for unfinished uploads of dead runs", {
      problem: (error as Error).message,
    });
  }
}

async function upload(o: SaveOptions, job: Job, more: SaveSteps): Promise<Manifest> {
  const tls = o.tls === undefined ? {} : { tls: readTlsFiles(o.tls) };
  using client = new Client({ endpoints: o.endpoints, receiveWindowBytes, ...tls });
  const avoid = new Set<string>();
  // All attempts are of one cluster: its addresses may become another's in between.
  let { clusterId } = o;
  for (let attempt = 1; ; attempt++) {
    let member: ChosenMember | undefined;
    try {
      const { logger, signal } = job;
      const ask = { client, logger, signal, avoid, timeoutMs: askTimeoutMs, clusterId };
      member = await chooseMember(ask);
      clusterId = member.clusterId;
      return await store(o, job, client, member, more);
    } catch (error) {
      if (job.signal.aborted) throw interruption(job.signal);
      if (attempt === attemptsMax || !(error instanceof BackupError && error.transient))
        throw error;
      job.logger.warn("the attempt failed and left nothing; trying again", {
        attempt,
        problem: error.message,
      });
      if (member !== undefined) avoid.add(member.endpoint);
      await pause(pauseMs * attempt, job.signal);
    }
  }
}

interface Stored {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly snapshotBytes: number;
  /** Undefined: the server is no Quoin. */
  readonly facts: Facts | undefined;
}

/** One attempt: the object, then its manifest. */
async function store(
  o: SaveOptions,
  job: Job,
  client: Client,
  member: ChosenMember,
  more: SaveSteps,
): Promise<Manifest> {
  const startMs = job.nowMs();
  const { namespace, name } = o.cluster;
  const key = artifactKey({
    namespace,
    cluster: name,
    timeMs: startMs,
    compression: o.compression,
  });
  const stored = await stream(o, job, client, member, key);
  const manifestOf = (facts: Facts): Manifest => ({
    format: "quoin-backup/v1",
    key,
    cluster: { ...o.cluster, clusterID: member.clusterId.toString(16) },
    lineage: o.lineage,
    backup: o.backup,
    ...(o.schedule === undefined ? {} : { schedule: o.schedule }),
    compression: o.compression,
    sizeBytes: stored.sizeBytes,
    sha256: stored.sha256,
    snapshotBytes: stored.snapshotBytes,
    ...facts,
    quoinVersion: job.version,
    possiblyStale: member.possiblyStale,
    startTime: new Date(startMs).toISOString(),
    completionTime: new Date(job.nowMs()).toISOString(),
  });
  try {
    const manifest = manifestOf(
      stored.facts ?? (await more.readFacts(key, stored.snapshotBytes, job)),
    );
    await writeManifest(job.destination, manifest);
    return manifest;
  } catch (error) {
    await takeBack(job, key);
    throw error;
  }
}

/** From the member's disk to the storage; visible only when the snapshot's own hash matched. */
async function stream(
  o: SaveOptions,
  job: Job,
  client: Client,
  member: ChosenMember,
  key: string,
): Promise<Stored> {
  const { destination, signal } = job;
  const passed: PassedSnapshot = { bytes: 0 };
  let facts: Facts | undefined;
  const pieces = client.maintenance.snapshot({
    endpoint: member.endpoint,
    signal,
    onTrailers: (trailers) => {
      facts = factsOf(trailers);
    },
  });
  // The first piece says how much there will be.
  const source = asSnapshotErrors(pieces, member, signal)[Symbol.asyncIterator]();
  const first = await source.next();
  const snapshotBytes = first.done ? 0 : first.value.blob.byteLength + first.value.remainingBytes;
  const all = async function* () {
    if (first.done) return;
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => source };
  };
  const writer = await destination.create(key, { sizeBytes: snapshotBytes });
  try {
    const hash = createHash("sha256");
    const progress = job.steps.progress("upload", snapshotBytes);
    let sizeBytes = 0;
    const counted = async function* () {
      for await (const chunk of checkedSnapshot(all(), passed)) {
        progress(chunk.byteLength);
        yield chunk;
      }
    };
    await compressInto(counted(), o.compression, async (chunk) => {
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
      await writer.write(chunk);
    });
    checkFacts(facts, member);
    throwIfInterrupted(signal);
    // Whose the object is, if this run dies before it has written the manifest.
    await writeClaim(destination, { key, state: "storing", lineage: o.lineage }, job.nowMs());
    await writer.commit();
    return { sizeBytes, sha256: hash.digest("hex"), snapshotBytes: passed.bytes, facts };
  } catch (error) {
    await writer.abort();
    // A key that is taken stands for what another program wrote.
    const isTaken = error instanceof BackupError && error.code === "AlreadyExists";
    if (!isTaken) await takeBack(job, key);
    throw error;
  } finally {
    await source.return?.(undefined);
  }
}

/** The object before what says whose it is. What cannot be deleted now is cleaned up by a later prune. */
async function takeBack(job: Job, key: string): Promise<void> {
  const { destination, logger } = job;
  delete job.stored;
  try {
    await destination.delete(key);
    await destination.delete(manifestKey(key));
  } catch (error) {
    logger.warn("could not take back an object", { key, problem: (error as Error).message });
  }
}

/** A stream that breaks is worth another try, with another member. */
async function* asSnapshotErrors<T>(
  pieces: AsyncIterable<T>,
  member: ChosenMember,
  signal: AbortSignal,
): AsyncGenerator<T> {
  try {
    yield* pieces;
  } catch (error) {
    throwIfInterrupted(signal);
    if (!(error instanceof RpcError)) throw error;
    throw new BackupError(
      "SnapshotFailed",
      `The snapshot stream of ${member.endpoint} broke: ${error.message}. Nothing was stored and the ` +
        "cluster is untouched; the next run tries again.",
      true,
    );
  }
}

function factsOf(trailers: ReadonlyMap<string, string>): Facts | undefined {
  const number = (name: string): number => Number(trailers.get(name) ?? Number.NaN);
  const facts = {
    revision: number("quoin-revision"),
    compactRevision: number("quoin-compact-revision"),
    hashKV: number("quoin-hash-kv"),
  };
  return Object.values(facts).every((fact) => Number.isSafeInteger(fact)) ? facts : undefined;
}

function checkFacts(facts: Facts | undefined, member: ChosenMember): void {
  if (facts === undefined || facts.revision >= member.atLeastRevision) return;
  throw new BackupError(
    "SnapshotFailed",
    `${member.endpoint} sent a snapshot of revision ${facts.revision} after it had answered a read ` +
      `at ${member.atLeastRevision}. Nothing was stored; this member lost data: compare members with ` +
      "etcdctl endpoint hashkv.",
    true,
  );
}

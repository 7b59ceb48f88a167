/** `quoin backup`: what Jobs of backups and restores run. Hands the real world to the commands. */
import { existsSync, writeFileSync } from "node:fs";
import { createClock, createDisk, createLogger, noFaults } from "../io/index.ts";
import { quoinVersion } from "../lib/version.ts";
import type { Logger } from "../ports/index.ts";
import { inspectDataDir } from "../server/index.ts";
import { openRocksEngine } from "../storage/backend/index.ts";
import { openDestination } from "./destination.ts";
import { interruption } from "./interruption.ts";
import { type Job, Steps } from "./job.ts";
import { clusterPrefix } from "./keys.ts";
import { type JobOptions, parseOptions, type SaveOptions, usage } from "./options.ts";
import { deleteArtifact, prune } from "./prune.ts";
import { encodeReport, failureReport } from "./report.ts";
import { type RestoreMachine, restore } from "./restore.ts";
import { save } from "./save.ts";
import type { BackupErrorCode, JobReport, Manifest } from "./types.ts";
import { readFacts, runVerify, verifyOwn } from "./verify.ts";

const kubernetesLog = "/dev/termination-log";
/** After a signal; Kubernetes kills after 30 s. What is unfinished then is as after a kill. */
const unwindMs = 10_000;

/** Failures that another attempt a few seconds later would only meet again. */
const lasting: ReadonlySet<string> = new Set<BackupErrorCode>([
  "InvalidConfig",
  "AccessDenied",
  "BucketMissing",
  "DestinationFull",
  "AlreadyExists",
  "ArtifactMissing",
  "InvalidSnapshot",
  "NotEnoughSpace",
  "DrillFailed",
]);

const exitCodeOf = ({ outcome, reason = "" }: JobReport): number =>
  outcome === "Succeeded" ? 0 : lasting.has(reason) ? 3 : 1;

/** Resolves to the exit code: 0 done, 1 failed, 3 failed for good; the report says why. */
export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const stop = new AbortController();
  const logger = createLogger();
  let steps = new Steps(logger, Date.now);
  const finish = (report: JobReport): number => {
    const text = encodeReport(report);
    process.stdout.write(`${text}\n`);
    writeTermination(text, env, logger);
    return exitCodeOf(report);
  };
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      const again = stop.signal.aborted;
      if (!again) logger.warn("told to end", { signal: name });
      stop.abort();
      const end = (): never =>
        process.exit(finish(failureReport(interruption(stop.signal), steps.seconds())));
      if (again) end();
      else setTimeout(end, unwindMs).unref();
    });
  }
  let job: Job | undefined;
  try {
    const options = parseOptions(argv, env);
    if (options === "help") {
      process.stdout.write(usage);
      return 0;
    }
    steps = new Steps(logger, Date.now);
    const destination = await openDestination(options.destination, stop.signal);
    job = {
      destination,
      logger,
      signal: stop.signal,
      steps,
      nowMs: Date.now,
      version: quoinVersion,
    };
    const report = await run(options, job);
    return finish(report);
  } catch (error) {
    logger.error("failed", { error: (error as Error).stack ?? String(error) });
    return finish({ ...failureReport(error, steps.seconds()), ...job?.stored });
  } finally {
    job?.destination.close();
  }
}

/** Outside a pod there is no such file, and none is made. */
function writeTermination(text: string, env: NodeJS.ProcessEnv, logger: Logger): void {
  const path = env["TERMINATION_LOG"] ?? (existsSync(kubernetesLog) ? kubernetesLog : undefined);
  if (path === undefined) return;
  try {
    writeFileSync(path, text);
  } catch (error) {
    logger.warn("cannot write the report", { path, problem: (error as Error).message });
  }
}

async function run(options: JobOptions, job: Job): Promise<JobReport> {
  const machine = localMachine(job.logger);
  switch (options.kind) {
    case "save":
      return runSave(options, job, machine);
    case "restore":
      return restore(options, job, machine);
    case "verify":
      return runVerify(options, job, machine);
    case "delete": {
      const { key, lineage } = options;
      const deleted = await deleteArtifact(job.destination, key, lineage, job.nowMs());
      return {
        outcome: "Succeeded",
        message: deleted ? `Deleted ${key} and its manifest.` : `${key} was gone already.`,
        seconds: job.steps.seconds(),
      };
    }
  }
}

function runSave(o: SaveOptions, job: Job, machine: RestoreMachine): Promise<JobReport> {
  const { verify, scratchDir, retention, schedule } = o;
  return save(o, job, {
    readFacts: (key, bytes) => readFacts(key, bytes, job, machine, scratchDir),
    verify: async (manifest) =>
      verify === "None" ? manifest : verifyOwn(manifest, verify, job, machine, scratchDir),
    prune: async ({ key }: Manifest) => {
      if (schedule === undefined || retention === undefined) return undefined;
      const prefix = clusterPrefix(o.cluster.namespace, o.cluster.name);
      const scope = { prefix, lineage: o.lineage, schedule, present: key };
      const { deleted, kept, problem } = await prune(
        job.destination,
        scope,
        retention,
        job.nowMs(),
      );
      return { deleted, kept, ...(problem === undefined ? {} : { problem }) };
    },
  });
}

function localMachine(logger: Logger): RestoreMachine {
  const disk = createDisk();
  const entry = process.argv[1] ?? "";
  const inspection = {
    disk,
    logger,
    faults: noFaults,
    clock: createClock(),
    openEngineReadOnly: (dir: string) => openRocksEngine(dir, { readOnly: true }),
  };
  return {
    disk,
    faults: noFaults,
    openEngine: openRocksEngine,
    serverCommand: [process.execPath, entry, "server"],
    readMember: async (dataDir) => {
      const { memberID, clusterID, revision } = await inspectDataDir(dataDir, inspection);
      return { memberID, clusterID, revision };
    },
  };
}

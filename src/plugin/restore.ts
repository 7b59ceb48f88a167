/** `kubectl quoin restore`: makes an EtcdRestore. */
import { isNotFound, resources } from "../operator/runtime/index.ts";
import type {
  EtcdBackup,
  EtcdBackupSchedule,
  EtcdCluster,
  EtcdClusterSpec,
  EtcdRestore,
  EtcdRestoreSpec,
  RestoreSource,
} from "../operator/types/index.ts";
import type { CommandLine, Flags } from "./command-line.ts";
import { type CommandContext, nameOf, Refusal } from "./context.ts";
import { follow, type Story } from "./follow.ts";
import { locationOf } from "./storage.ts";
import { ago } from "./table.ts";

/** Resolves to the exit code. Throws Refusal, TypeError or KubeError. */
export async function restore(line: CommandLine, context: CommandContext): Promise<number> {
  const { api, namespace, clock, stdout } = context;
  const { cluster, flags, timeoutMs } = line;
  const source = sourceOf(flags);
  const target = await find(cluster, context);
  const { apiVersion, kind } = resources.etcdRestores;
  const made = await api.create<EtcdRestore>(resources.etcdRestores, {
    apiVersion,
    kind,
    metadata: { name: flags.name ?? nameOf(cluster, clock), namespace },
    spec: flags["in-place"]
      ? inPlace(line, source, target)
      : await newCluster(line, source, target, context),
  });
  const { name } = made.metadata;
  stdout(`EtcdRestore ${namespace}/${name} is made\n`);
  if (!flags.wait) return 0;
  return follow(resources.etcdRestores, name, story, timeoutMs, context);
}

function sourceOf(flags: Flags): RestoreSource {
  const given = (["backup", "schedule", "location"] as const).filter((it) => flags[it]);
  if (given.length !== 1) throw new TypeError("give one of --backup, --schedule and --location");
  if (flags.backup !== undefined) return { backupRef: { name: flags.backup } };
  if (flags.schedule !== undefined) return { scheduleRef: { name: flags.schedule } };
  return { location: locationOf(flags.location ?? "", flags) };
}

async function find(name: string, { api, namespace }: CommandContext) {
  try {
    return await api.get<EtcdCluster>(resources.etcdClusters, namespace, name);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function inPlace(
  { cluster, flags }: CommandLine,
  source: RestoreSource,
  target: EtcdCluster | undefined,
): EtcdRestoreSpec {
  if (target === undefined) {
    throw new Refusal(`there is no EtcdCluster ${cluster}: without --in-place it is made anew`);
  }
  for (const name of ["like", "replicas", "size"] as const) {
    if (flags[name] === undefined) continue;
    throw new TypeError(`remove --${name}: with --in-place the cluster keeps its own spec`);
  }
  return { mode: "InPlace", clusterRef: { name: cluster }, source };
}

async function newCluster(
  { cluster, flags }: CommandLine,
  source: RestoreSource,
  target: EtcdCluster | undefined,
  context: CommandContext,
): Promise<EtcdRestoreSpec> {
  if (target !== undefined) {
    throw new Refusal(
      `EtcdCluster ${cluster} exists: choose another name for the new one, or add --in-place to replace its data (its volumes are kept until the restored ones are validated)`,
    );
  }
  const clusterSpec = await specFor(flags, source, context);
  return { mode: "NewCluster", clusterRef: { name: cluster }, source, clusterSpec };
}

/** That of --like or of the cluster the backup is of, changed by the flags. */
async function specFor(
  flags: Flags,
  source: RestoreSource,
  context: CommandContext,
): Promise<EtcdClusterSpec> {
  const model = flags.like ?? (await clusterOf(source, context));
  const found = model === undefined ? undefined : await find(model, context);
  if (flags.like !== undefined && found === undefined) {
    throw new Refusal(`there is no EtcdCluster ${flags.like} to be like`);
  }
  const replicas = flags.replicas === undefined ? undefined : Number(flags.replicas);
  if (replicas !== undefined && !Number.isInteger(replicas)) {
    throw new TypeError(`set --replicas to a whole number; it is "${flags.replicas}"`);
  }
  if (found === undefined) {
    if (flags.size === undefined) {
      throw new Refusal(
        "say how it is to be: --like=CLUSTER, or --size=8Gi and maybe --replicas=3",
      );
    }
    return { replicas: replicas ?? 3, storage: { size: flags.size } };
  }
  // What was the model's own past or emergency is not the new cluster's.
  const { bootstrap: _b, quorumRecovery: _q, paused: _p, storage, ...rest } = found.spec;
  return {
    ...rest,
    ...(replicas === undefined ? {} : { replicas }),
    storage: flags.size === undefined ? storage : { ...storage, size: flags.size },
  };
}

/** Name of the cluster that a backup is of; undefined for a location. */
async function clusterOf(source: RestoreSource, { api, namespace }: CommandContext) {
  const { backupRef, scheduleRef } = source;
  if (backupRef !== undefined) {
    const found = await api.get<EtcdBackup>(resources.etcdBackups, namespace, backupRef.name);
    return found.spec.clusterRef.name;
  }
  if (scheduleRef === undefined) return undefined;
  const { etcdBackupSchedules } = resources;
  const found = await api.get<EtcdBackupSchedule>(etcdBackupSchedules, namespace, scheduleRef.name);
  return found.spec.clusterRef.name;
}

const story: Story<EtcdRestore> = {
  lines: ({ status }) =>
    (status?.phases ?? []).flatMap(({ phase, startTime, completionTime, message = "" }) => {
      const begun = message === "" ? phase : `${phase}: ${message}`;
      if (completionTime === undefined) return [begun];
      const seconds = (Date.parse(completionTime) - Date.parse(startTime)) / 1000;
      return [`${phase} took ${ago(seconds)}`];
    }),
  end: ({ status }) => {
    const { phase, message = "", source } = status ?? {};
    if (phase === "Completed") {
      const from = source === undefined ? "" : ` from ${source.uri}`;
      return { ok: true, text: `Completed${from}${message === "" ? "" : `: ${message}`}` };
    }
    if (phase !== "Failed" && phase !== "Rejected") return undefined;
    return { ok: false, text: `${phase}: ${message}` };
  },
};

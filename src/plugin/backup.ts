/** `kubectl quoin backup`: makes an EtcdBackup. */
import { resources } from "../operator/runtime/index.ts";
import type {
  BackupOptions,
  EtcdBackup,
  EtcdBackupSchedule,
  EtcdCluster,
  Verification,
} from "../operator/types/index.ts";
import type { CommandLine } from "./command-line.ts";
import { type CommandContext, nameOf, Refusal } from "./context.ts";
import { follow, type Story } from "./follow.ts";
import { destinationOf } from "./storage.ts";
import { size } from "./table.ts";

const verifications: readonly Verification[] = ["None", "Checksum", "Restore"];

/** Resolves to the exit code. Throws Refusal, TypeError or KubeError. */
export async function backup(line: CommandLine, context: CommandContext): Promise<number> {
  const { api, namespace, clock, stdout } = context;
  const { cluster, flags, timeoutMs } = line;
  // A misspelt name is told here, not by a backup that waits for its cluster.
  await api.get<EtcdCluster>(resources.etcdClusters, namespace, cluster);
  const options = await optionsFor(line, context);
  const verify = flags.verify === undefined ? undefined : verificationOf(flags.verify);
  const { apiVersion, kind } = resources.etcdBackups;
  const made = await api.create<EtcdBackup>(resources.etcdBackups, {
    apiVersion,
    kind,
    metadata: { name: flags.name ?? nameOf(cluster, clock), namespace },
    spec: {
      ...options,
      clusterRef: { name: cluster },
      ...(verify === undefined ? {} : { verify }),
    },
  });
  const { name } = made.metadata;
  stdout(`EtcdBackup ${namespace}/${name} is made\n`);
  if (!flags.wait) return 0;
  return follow(resources.etcdBackups, name, story, timeoutMs, context);
}

/** Of --to, of --schedule, or of the only schedule that the cluster has. */
async function optionsFor(
  { cluster, flags }: CommandLine,
  { api, namespace }: CommandContext,
): Promise<Omit<BackupOptions, "clusterRef">> {
  if (flags.to !== undefined) {
    if (flags.schedule !== undefined) throw new TypeError("give --to or --schedule, not both");
    return { destination: destinationOf(flags.to, flags) };
  }
  if (flags.schedule !== undefined) {
    return shared(await api.get(resources.etcdBackupSchedules, namespace, flags.schedule));
  }
  const { items } = await api.list<EtcdBackupSchedule>(resources.etcdBackupSchedules, {
    namespace,
  });
  const own = items.filter(({ spec }) => spec.clusterRef.name === cluster);
  const [only] = own;
  if (only !== undefined && own.length === 1) return shared(only);
  const names = own.map(({ metadata }) => metadata.name).join(", ");
  throw new Refusal(
    only === undefined
      ? `say where to: ${cluster} has no schedule to take it from; give --to=s3://BUCKET/PREFIX or --to=pvc://CLAIM`
      : `choose one of the schedules of ${cluster} by --schedule (${names}), or give --to`,
  );
}

/** What a schedule says of each of its backups. */
function shared({ spec }: EtcdBackupSchedule): Omit<BackupOptions, "clusterRef"> {
  const { destination, compression, verify, activeDeadlineSeconds, job } = spec;
  return {
    destination,
    ...(compression === undefined ? {} : { compression }),
    ...(verify === undefined ? {} : { verify }),
    ...(activeDeadlineSeconds === undefined ? {} : { activeDeadlineSeconds }),
    ...(job === undefined ? {} : { job }),
  };
}

function verificationOf(text: string): Verification {
  const found = verifications.find((it) => it === text);
  if (found !== undefined) return found;
  throw new TypeError(`set --verify to one of ${verifications.join(", ")}; it is "${text}"`);
}

const story: Story<EtcdBackup> = {
  lines: ({ status }) => {
    const { phase = "Pending", message = "" } = status ?? {};
    const isOver = phase === "Succeeded" || phase === "Failed" || phase === "Unknown";
    return isOver ? [] : [message === "" ? phase : `${phase}: ${message}`];
  },
  end: ({ status }) => {
    const { phase, artifact, verified, reason, message, possiblyStale } = status ?? {};
    if (phase === "Succeeded") {
      const proof = verified === undefined ? "not verified" : `verified by ${verified.kind}`;
      const stale = possiblyStale ? "; without quorum: it may lack acknowledged writes" : "";
      const what = `${size(artifact?.sizeBytes)}, revision ${artifact?.revision}`;
      return { ok: true, text: `Succeeded: ${artifact?.uri} (${what}, ${proof}${stale})` };
    }
    if (phase !== "Failed" && phase !== "Unknown") return undefined;
    return { ok: false, text: `${phase}: ${reason ?? ""} ${message ?? ""}`.trim() };
  },
};

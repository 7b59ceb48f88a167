/**
 * What becomes of an EtcdRestore: its next status, and at most one object to make. Pure. The work itself
 * is the cluster's: this asks for it and tells how it goes.
 */
import { type Resolution, requestOf } from "../observe/index.ts";
import {
  type EtcdBackup,
  type EtcdCluster,
  type EtcdRestore,
  type EtcdRestoreStatus,
  isControlledBy,
  type KubeObject,
  type ResolvedSource,
  type Transition,
} from "../types/index.ts";
import { buildCluster, buildSafetyBackup, restoredBy, safetyBackupName } from "./objects.ts";
import { following, inPhase, isOver } from "./record.ts";

export interface Seen {
  readonly restore: EtcdRestore;
  /** Of spec.clusterRef. */
  readonly cluster?: EtcdCluster;
  /** Absent once status.source is latched. */
  readonly resolution?: Resolution;
  readonly safety?: EtcdBackup;
  /** RFC 3339. */
  readonly now: string;
}

export interface Decision {
  readonly status: EtcdRestoreStatus;
  /** Made after status is written; one that exists is no error. */
  readonly make?: KubeObject;
  /** Absent when it is over. */
  readonly requeueMs?: number;
}

const soonMs = 1_000;
const laterMs = 10_000;

export function decide(seen: Seen): Decision {
  const { restore } = seen;
  if (isOver(restore.status)) return { status: restore.status ?? {} };
  if (restore.status?.source === undefined) return preFlight(seen);
  return restore.spec.mode === "NewCluster" ? newCluster(seen) : inPlace(seen);
}

/** The target, and where the data lies; both are latched before anything is made. */
function preFlight(seen: Seen): Decision {
  const { restore, cluster, resolution, now } = seen;
  const { name } = restore.spec.clusterRef;
  const isNew = restore.spec.mode === "NewCluster";
  const wait = (message: string): Decision => ({
    status: inPhase(restore, "PreFlight", `${message} Nothing was changed so far.`, now),
    requeueMs: laterMs,
  });
  if (isNew && cluster !== undefined && restoredBy(cluster) !== requestOf(restore)) {
    const what = `EtcdCluster ${name} exists already and stays as it is`;
    return end(
      seen,
      "Rejected",
      `choose another name in spec.clusterRef, or mode InPlace: ${what}.`,
    );
  }
  if (!isNew) {
    if (cluster === undefined) {
      return wait(
        `There is no EtcdCluster ${name} in this namespace: make it, or use mode NewCluster.`,
      );
    }
    const other = rival(seen, cluster);
    if (other !== undefined) return end(seen, "Rejected", other);
  }
  if (resolution === undefined) return wait("Looking for the backup.");
  if (resolution.kind === "missing") return wait(`${resolution.reason}: ${resolution.message}.`);
  if (resolution.kind === "unfit") {
    return end(seen, "Failed", `${resolution.reason}: ${resolution.message}. Nothing was changed.`);
  }
  const { source } = resolution;
  const more = isNew ? { source } : { source, ...uidOf(cluster) };
  return {
    status: inPhase(restore, "PreFlight", `found ${text(source)}`, now, more),
    requeueMs: 0,
  };
}

const uidOf = (cluster: EtcdCluster | undefined) =>
  cluster?.metadata.uid === undefined ? {} : { targetUID: cluster.metadata.uid };

const text = ({ uri, revision }: ResolvedSource): string =>
  revision === undefined ? uri : `${uri} (revision ${revision})`;

function end(seen: Seen, phase: "Failed" | "Rejected", message: string): Decision {
  return { status: inPhase(seen.restore, phase, message, seen.now) };
}

/** Another restore or a recovery of the same cluster that is under way. */
function rival({ restore }: Seen, cluster: EtcdCluster): string | undefined {
  const t = cluster.status?.transition;
  if (t === undefined || t.request === requestOf(restore) || isOver(t)) return undefined;
  return `wait for ${t.kind.toLowerCase()} ${t.request} of this cluster (${t.phase}), then make a new EtcdRestore: only one at a time. This one changed nothing.`;
}

/** Makes the cluster with the resolved source, and tells of its first transition. */
function newCluster(seen: Seen): Decision {
  const { restore, cluster, now } = seen;
  const { name } = restore.spec.clusterRef;
  const { targetUID, source } = restore.status ?? {};
  if (cluster === undefined || (targetUID !== undefined && cluster.metadata.uid !== targetUID)) {
    if (targetUID !== undefined) {
      return end(
        seen,
        "Failed",
        `EtcdCluster ${name} was deleted before its restore was over. The backup is untouched.`,
      );
    }
    const status = inPhase(
      restore,
      "Restoring",
      `making EtcdCluster ${name} from ${source?.uri}`,
      now,
    );
    return { status, make: buildCluster(restore), requeueMs: soonMs };
  }
  if (restoredBy(cluster) !== requestOf(restore)) {
    const what = `EtcdCluster ${name} was made by somebody else meanwhile and stays as it is`;
    return end(seen, "Rejected", `choose another name in spec.clusterRef: ${what}.`);
  }
  const t = cluster.status?.transition;
  if (t === undefined) {
    const message = `EtcdCluster ${name} begins${trouble(cluster)}`;
    return {
      status: inPhase(restore, "Restoring", message, now, uidOf(cluster)),
      requeueMs: soonMs,
    };
  }
  return follow(seen, cluster, t);
}

/** Safety backup, then the request; from the moment the cluster has taken it, only tells. */
function inPlace(seen: Seen): Decision {
  const { restore, cluster, now } = seen;
  const { targetUID, newClusterToken, phase } = restore.status ?? {};
  const { name } = restore.spec.clusterRef;
  if (cluster === undefined || cluster.metadata.uid !== targetUID) {
    const what = cluster === undefined ? "was deleted" : "was deleted and made again";
    const safe = "Its old volumes are as its retention policy says; the backup is untouched.";
    return end(seen, "Failed", `EtcdCluster ${name} ${what} before the restore was over. ${safe}`);
  }
  const t = cluster.status?.transition;
  if (t?.request === requestOf(restore)) return follow(seen, cluster, t);
  if (newClusterToken !== undefined) return afterwards(seen, cluster, newClusterToken);
  const other = rival(seen, cluster);
  if (other !== undefined) return end(seen, "Rejected", other);
  if (phase === "Restoring") {
    const message = `asked the cluster to restore${trouble(cluster)}`;
    return { status: inPhase(restore, "Restoring", message, now), requeueMs: soonMs };
  }
  return safetyBackup(seen, cluster);
}

/** What the cluster holds now is stored first, where it can still say what that is. */
function safetyBackup(seen: Seen, cluster: EtcdCluster): Decision {
  const { restore, safety, now } = seen;
  const name = safetyBackupName(restore);
  const go = (message: string, more: Partial<EtcdRestoreStatus> = {}): Decision => ({
    status: inPhase(restore, "Restoring", message, now, more),
    requeueMs: soonMs,
  });
  if (restore.spec.safetyBackup?.skip === true) return go("no safety backup, as asked");
  const own = safety !== undefined && isControlledBy(safety, restore.metadata.uid ?? "");
  if (own && safety.status?.phase === "Succeeded") {
    return go(`safety backup ${name} is stored at ${safety.status.artifact?.uri}`);
  }
  const status = (message: string) =>
    inPhase(restore, "SafetyBackup", message, now, { safetyBackup: name });
  const silent = silentMs(cluster, now);
  if (silent !== undefined && silent < patienceMs) {
    const message =
      "the cluster does not answer with a quorum at this moment: a little later the restore goes on without a safety backup";
    const phase = restore.status?.phase ?? "PreFlight";
    return { status: inPhase(restore, phase, message, now), requeueMs: 2_000 };
  }
  if (silent !== undefined) {
    return go("no safety backup: the cluster does not answer with a quorum");
  }
  if (safety === undefined) {
    const message = `backing up what ${cluster.metadata.name} holds now, as ${name}`;
    return { status: status(message), make: buildSafetyBackup(restore), requeueMs: soonMs };
  }
  if (!own) {
    const message = `EtcdBackup ${name} exists and is not of this request: delete it (its artefact stays)`;
    return { status: status(message), requeueMs: laterMs };
  }
  const { phase = "Pending", message: why } = safety.status ?? {};
  if (phase === "Failed" || phase === "Unknown") {
    const next =
      "Nothing was changed. Make a new EtcdRestore when the cause is gone, or with spec.safetyBackup.skip";
    return end(
      seen,
      "Failed",
      `safety backup ${name} is ${phase}: ${why ?? "no reason given"} ${next}.`,
    );
  }
  return { status: status(`safety backup ${name} is ${phase}`), requeueMs: 2_000 };
}

/** Elections, and restarts of members or of the operator, are over by then. */
const patienceMs = 20_000;

/** Since when the cluster has given no linearizable answer; undefined while it does. */
function silentMs(cluster: EtcdCluster, now: string): number | undefined {
  const condition = cluster.status?.conditions?.find((c) => c.type === "Available");
  if (condition?.status === "True") return undefined;
  const sinceMs = Date.parse(condition?.lastTransitionTime ?? "");
  return Number.isNaN(sinceMs) ? Number.POSITIVE_INFINITY : Date.parse(now) - sinceMs;
}

/** The cluster's record is the truth; its trouble, if any, is told with it. */
function follow(seen: Seen, cluster: EtcdCluster, t: Transition): Decision {
  const done = isOver(t);
  const message = `${t.message ?? ""}${done ? "" : trouble(cluster)}`;
  const more = { newClusterToken: t.token, ...uidOf(cluster) };
  const status = following(seen.restore, t, message, seen.now, more);
  return done ? { status } : { status, requeueMs: soonMs };
}

/** Its record was overwritten by a later transition: which life came of it is still to be seen. */
function afterwards(seen: Seen, cluster: EtcdCluster, token: string): Decision {
  const { clusterToken } = cluster.status ?? {};
  if (clusterToken === token) {
    const message = "the restored data serves; a later transition of this cluster has begun";
    return { status: inPhase(seen.restore, "Completed", message, seen.now) };
  }
  return end(
    seen,
    "Failed",
    "another transition of this cluster followed; see the cluster's status.",
  );
}

/** What keeps the cluster from going on, in its own words. */
function trouble(cluster: EtcdCluster): string {
  if (cluster.spec.paused === true) {
    return "; waiting: spec.paused of the cluster is true, and nothing is changed until it is removed";
  }
  const degraded = cluster.status?.conditions?.find((c) => c.type === "Degraded");
  return degraded?.status === "True" ? `; now: ${degraded.message}` : "";
}

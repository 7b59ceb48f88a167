/** The end of an EtcdBackup that is to take its artefact with it. Pure. */
import { storageKey } from "../resources/index.ts";
import { buildDeleteJob } from "./jobs.ts";
import type { ObservedBackup } from "./observe.ts";
import type { News } from "./plan.ts";
import type { BackupPlan } from "./plan-backup.ts";

/** A deletion is never held back for longer, whatever the storage says. */
const patienceMs = 600_000;

/**
 * The artefact goes by a Job; the object is let go when that is done, and also when it cannot be done:
 * with an Event that names what is left.
 */
export function planDeletion(o: ObservedBackup, held: boolean): BackupPlan {
  const { metadata, spec, status = {} } = o.backup;
  if (!held) return { status };
  const letGo = (news?: News): BackupPlan => ({
    status,
    step: { kind: "hold", held: false },
    ...(news ? { news } : {}),
  });
  if (spec.deletionPolicy !== "Delete") return letGo();
  const sinceMs = o.nowMs - Date.parse(metadata.deletionTimestamp ?? "");
  const isLate = sinceMs > patienceMs;
  const { job, deleteJob } = o;
  if (job?.state === "running" && job.controller === metadata.uid && !isLate) {
    const wait = { status, requeueMs: 2_000 };
    if (job.deleting) return wait;
    return { ...wait, step: { kind: "delete", target: "Job", name: job.name, uid: job.uid } };
  }
  const { artifact } = status;
  const key = artifact && storageKey(spec.destination, artifact.uri);
  if (artifact === undefined || key === undefined) return letGo();
  if (deleteJob?.report?.outcome === "Succeeded" || deleteJob?.state === "complete") {
    const message = `deleted ${artifact.uri}`;
    return letGo({ type: "Normal", reason: "ArtifactDeleted", message });
  }
  const left = (why: string): News => {
    const message = `${artifact.uri} is left where it is, delete it by hand if it is to go: ${why}`;
    return { type: "Warning", reason: "ArtifactLeft", message };
  };
  if (deleteJob?.state === "failed" || isLate) {
    const { report, stuck, lastWords } = deleteJob ?? {};
    return letGo(left(report?.message ?? stuck ?? lastWords ?? "no answer in time"));
  }
  if (deleteJob !== undefined) return { status, requeueMs: 5_000 };
  const object = buildDeleteJob(o.backup, key, o.cluster, o.defaultImage);
  return {
    status,
    step: { kind: "create", object },
    ifNamespaceEnds: {
      step: { kind: "hold", held: false },
      news: left("its namespace is going, so no Job can delete it"),
    },
    requeueMs: 1_000,
  };
}

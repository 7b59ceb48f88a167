/** The objects a cluster has once, and the refusal to touch what is not ours. */
import { buildBudget, buildClientService, buildPeerService, covers } from "../resources/index.ts";
import { controllerOf, isControlledBy, type KubeObject } from "../types/index.ts";
import { ownSecrets } from "./certificates.ts";
import { type Facts, stepPlan, stopPlan } from "./facts.ts";
import type { Plan } from "./types.ts";

/** An object of one of our names that another owner controls, or nobody. */
export function conflicts(f: Facts): Plan | undefined {
  const uid = f.cluster.metadata.uid ?? "";
  const { peerService, clientService, budget } = f.observed;
  for (const object of [peerService, clientService, budget]) {
    if (object !== undefined && !isControlledBy(object, uid)) {
      return nameConflict(object.kind, object.metadata.name, controllerOf(object));
    }
  }
  for (const secret of ownSecrets(f)) {
    if (!secret.controlled) return nameConflict("Secret", secret.name, secret.controller);
  }
  for (const certificate of f.observed.tls?.certificates.values() ?? []) {
    if (!isControlledBy(certificate, uid)) {
      return nameConflict("Certificate", certificate.metadata.name, controllerOf(certificate));
    }
  }
  for (const m of f.members) {
    if (m.statefulSet?.controlled === false) return nameConflict("StatefulSet", m.name);
    if (m.job?.controlled === false) return nameConflict("Job", `${m.name}-init`);
  }
  return undefined;
}

/** `controller` is whose it is, as "EtcdCluster a-peer": cluster a and cluster a-peer want one Secret a-peer-ca. */
function nameConflict(kind: string, name: string, controller?: string): Plan {
  const whose = controller === undefined ? "" : `; ${controller} does`;
  return stopPlan(
    "NameConflict",
    `delete or rename ${kind} ${name}, or choose another name for this EtcdCluster: it exists and this cluster does not control it${whose}`,
    5_000,
  );
}

/** A new life's seed is healthy too, but no help to the voters that still serve. */
function extraPods(f: Facts): number {
  const { transition, clusterToken } = f.status;
  if (transition?.kind !== "Restore" || transition.token === clusterToken) return 0;
  return transition.phase === "Validating" ? 1 : 0;
}

/** Services and disruption budget; the budget is raised before the cluster grows. */
export function baseObjects(f: Facts): Plan | undefined {
  const { peerService, clientService, budget } = f.observed;
  const voters = f.observed.live === undefined ? (f.status.replicas ?? 0) : f.voterCount;
  const pairs: [KubeObject, KubeObject | undefined][] = [
    [buildPeerService(f.cluster), peerService],
    [buildClientService(f.cluster, f.status.clusterToken ?? ""), clientService],
    [buildBudget(f.cluster, Math.max(voters, f.places), extraPods(f)), budget],
  ];
  for (const [object, live] of pairs) {
    if (live !== undefined && covers(live, object)) continue;
    if (live?.metadata.deletionTimestamp !== undefined) continue;
    const { kind, metadata } = object;
    const message = `applying ${kind} ${metadata.name}`;
    return stepPlan({ kind: "apply", object, uid: live?.metadata.uid }, "ApplyingObjects", message);
  }
  return undefined;
}

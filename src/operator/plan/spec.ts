import { extraArgProblem, tlsOf } from "../resources/index.ts";
import { type Facts, stopPlan } from "./facts.ts";
import type { Plan } from "./types.ts";

/** The second line behind the CRD's own rules: an old CRD or a skipped rule must not pass. */
export function specProblems(f: Facts): Plan | undefined {
  const { spec } = f.cluster;
  const stop = (message: string) => stopPlan("InvalidSpec", message, 60_000);
  if (!Number.isInteger(spec.replicas) || spec.replicas < 1 || spec.replicas > 7) {
    return stop(`set spec.replicas between 1 and 7; it is ${spec.replicas}`);
  }
  for (const arg of spec.extraArgs ?? []) {
    const problem = extraArgProblem(arg);
    if (problem !== undefined) return stop(problem);
  }
  const env = spec.pod?.env?.find((e) => e.name.startsWith("ETCD_"));
  if (env !== undefined) return stop(`remove ${env.name} from spec.pod.env: use spec.etcdOptions`);
  return tlsProblem(f);
}

/**
 * Members that speak TLS and members that do not cannot hear each other, and clients of one kind cannot ask the other:
 * there is no rolling change from here to there.
 */
function tlsProblem(f: Facts): Plan | undefined {
  if (f.status.clusterToken === undefined) return undefined;
  for (const side of ["client", "peer"] as const) {
    const wanted = f.cluster.spec.tls?.[side]?.mode;
    const is = tlsOf(f.cluster)[side];
    if (wanted === undefined || wanted === is) continue;
    const message = `set spec.tls.${side}.mode back to ${is}, or remove it: it was chosen when the cluster was made, and ${wanted} would part its members or clients; for ${wanted} restore a backup into a new EtcdCluster`;
    return stopPlan("InvalidSpec", message, 60_000);
  }
  return undefined;
}

/** The Job that looks at a volume whose member is stopped, to rank survivors (OPERATOR 21). */
import { controllerRef, type EtcdCluster, type Job } from "../types/index.ts";
import {
  componentInspect,
  dataDir,
  inNamespace,
  inspectJobName,
  labelComponent,
  memberLabels,
} from "./names.ts";
import { podLabels, podSpec, serverContainer, serverImage } from "./pod.ts";

/** A volume that is not attached and read within this time counts as unreachable. */
const inspectSeconds = 120;

export function buildInspectJob(
  cluster: EtcdCluster,
  member: string,
  claim: string,
  defaultImage: string,
): Job {
  const labels = { ...memberLabels(cluster, member), [labelComponent]: componentInspect };
  const container = serverContainer(cluster, serverImage(cluster, defaultImage), [
    "util",
    "inspect",
    `--data-dir=${dataDir}`,
    "--report=/dev/termination-log",
  ]);
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: inspectJobName(member),
      ...inNamespace(cluster),
      labels,
      ownerReferences: [controllerRef(cluster)],
    },
    spec: {
      backoffLimit: 3,
      activeDeadlineSeconds: inspectSeconds,
      template: {
        metadata: { labels: podLabels(cluster, labels) as Record<string, string> },
        spec: { ...podSpec(cluster, claim, container), restartPolicy: "Never" },
      },
    },
  };
}

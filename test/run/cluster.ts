// The test cluster of the e2e stage: our image built by the Dockerfile, three nodes, and what the
// test files find in their environment.

import { delimiter } from "node:path";
import { buildTools, execute } from "./commands.ts";
import { say } from "./tally.ts";

const ours = { RUN: "test", NODES: "3", OWNER: String(process.pid) };

/**
 * Brings the cluster up. The returned variables are for the tests: KUBECONFIG, QUOIN_IMAGE (the
 * reference of the imported image), RUN (for e2e/cluster/node.sh), and PATH with kubectl, helm and the
 * real etcd, etcdctl and etcdutl in front.
 */
export async function raiseCluster(): Promise<Record<string, string>> {
  say("e2e: building the image, raising three nodes");
  const [k8s, etcd, helm] = await buildTools(["k8s", "etcd", "helm", "coredns", "versitygw"]);
  const image = await output(["bash", "e2e/cluster/images.sh", "build"]);
  const [archive, reference] = image.split("\n") as [string, string];
  const kubeconfig = await output(["bash", "e2e/cluster/up.sh"], { IMAGES: archive });
  return {
    KUBECONFIG: kubeconfig,
    QUOIN_IMAGE: reference,
    RUN: ours.RUN,
    PATH: [k8s, etcd, helm, process.env["PATH"]].join(delimiter),
  };
}

/** Takes the cluster down; nothing of it stays. `keepLogs` copies its logs to .out/cluster-test. */
export async function razeCluster(keepLogs: boolean): Promise<void> {
  const args = keepLogs ? ["--keep-logs"] : [];
  await execute(["bash", "e2e/cluster/down.sh", ...args], ours, true);
}

async function output(command: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const result = await execute(command, { ...ours, ...env }, true);
  if (result.code !== 0) throw new Error(`${command.join(" ")} failed:\n${result.output}`);
  return result.stdout.trim();
}

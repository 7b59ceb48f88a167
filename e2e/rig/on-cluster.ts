// One file's tests on one cluster: its namespace, and what is shown when a test fails.

import { after, before, type TestContext } from "node:test";
import { createNamespace, deleteNamespace, type TestCluster } from "./cluster.ts";
import { kubectl } from "./environment.ts";
import { installOperator, operatorLog } from "./operator.ts";

/**
 * Call it once in a file: it installs the operator, makes the namespace `e2e-NAME` before the file's
 * tests and removes it after them. What else the file needs first is `prepare`, not a `before` of its
 * own: node:test runs a file's own `before`s at the same time, so that one could come before its namespace.
 */
export function useNamespace(name: string, prepare?: () => Promise<void>): string {
  const namespace = `e2e-${name}`;
  before(async () => {
    await Promise.all([installOperator(), createNamespace(namespace)]);
    await prepare?.();
  });
  after(() => deleteNamespace(namespace));
  return namespace;
}

/** A test's body on this cluster: when it fails, the error also tells how the cluster looks. */
export function on(
  cluster: TestCluster,
  body: (t: TestContext) => Promise<void>,
): (t: TestContext) => Promise<void> {
  return async (t) => {
    try {
      await body(t);
    } catch (error) {
      if (error instanceof Error) error.message += `\n\n${await describe(cluster)}`;
      throw error;
    }
  };
}

/** Seconds since `from` (performance.now()), for diagnostics. */
export const secondsSince = (from: number): string =>
  `${((performance.now() - from) / 1000).toFixed(1)} s`;

async function describe(cluster: TestCluster): Promise<string> {
  const { namespace, name } = cluster;
  const inNamespace = ["-n", namespace];
  const parts = await Promise.allSettled([
    kubectl([...inNamespace, "get", "pods,pvc,statefulsets,jobs", "-o", "wide"]),
    kubectl([...inNamespace, "get", "etcdcluster", name, "-o", "jsonpath={.status}"]),
    kubectl([...inNamespace, "get", "events", "--sort-by=.lastTimestamp"]).then(last(15)),
    operatorLog(15),
    endsOf(cluster),
  ]);
  return parts.map((it) => (it.status === "fulfilled" ? it.value : String(it.reason))).join("\n");
}

/** What members whose container was started again said last, before it went. */
async function endsOf(cluster: TestCluster): Promise<string> {
  const parts: string[] = [];
  for (const { metadata, status } of await cluster.pods()) {
    if ((status?.containerStatuses?.[0]?.restartCount ?? 0) === 0) continue;
    const text = await cluster
      .kubectl("logs", metadata.name, "--previous", "--tail=8")
      .catch(String);
    parts.push(`${metadata.name} before its last restart:\n${text}`);
  }
  return parts.join("\n");
}

const last =
  (count: number) =>
  (text: string): string =>
    text.trim().split("\n").slice(-count).join("\n");

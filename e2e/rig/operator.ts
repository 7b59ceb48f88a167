// The operator, installed as a user installs it, and the process of it that leads.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { resources } from "../../src/operator/runtime/index.ts";
import type { KubeObject, Pod } from "../../src/operator/types/index.ts";
import { NotYet, until } from "../../test/until.ts";
import { root } from "./commands.ts";
import { api, image, kubectl } from "./environment.ts";
import { killProcess, processOf } from "./processes.ts";

const namespace = "quoin-system";

/** E2E_TLS=Disabled: every cluster whose spec says nothing speaks plain text. */
const defaultTls = process.env["E2E_TLS"] ?? "Operator";

/** Applies install.yaml with the image under test and waits until an operator leads. */
export async function installOperator(): Promise<void> {
  const manifest = readFileSync(join(root, "manifests", "install.yaml"), "utf8");
  const installed = manifest
    .replaceAll("quoin:dev", image)
    .replaceAll("--default-tls=Operator", `--default-tls=${defaultTls}`);
  await kubectl(["apply", "--server-side", "-f", "-"], installed);
  await inSystem("rollout", "status", "deploy/quoin-operator", "--timeout=300s").catch(explain);
  await until("an operator to lead", leadingOperator, 60);
}

const inSystem = (...args: string[]): Promise<string> => kubectl(["-n", namespace, ...args]);

/** Throws the error with what is known of the operator's pods. */
async function explain(error: Error): Promise<never> {
  const pods = await inSystem("get", "pods", "-o", "wide");
  const events = await inSystem("get", "events", "--sort-by=.lastTimestamp");
  error.message += `\n${pods}\n${events.trim().split("\n").slice(-8).join("\n")}`;
  throw error;
}

/** Name of the pod that holds the Lease and is there. */
export async function leadingOperator(): Promise<string> {
  return (await podOf(await leaseHolder())).metadata.name;
}

/** Rejects where nobody holds the Lease, or a pod that is gone. */
async function podOf(holder: string): Promise<Pod> {
  if (holder === "") throw new NotYet("nobody holds the Lease");
  return await api.get<Pod>(resources.pods, namespace, holder.split("_")[0] ?? "");
}

/** Holders of the Lease that were killed: it names them until it runs out. */
const killed = new Set<string>();

/** kill -9 for the operator that leads, once one that lives does; returns who held the Lease. */
export function killLeadingOperator(): Promise<string> {
  return until("an operator that leads to be killed", async () => {
    const holder = await leaseHolder();
    if (killed.has(holder)) throw new NotYet(`the Lease still names ${holder}, who was killed`);
    await killProcess(processOf(await podOf(holder), ["quoin", "operator"]));
    killed.add(holder);
    return holder;
  });
}

/** Identity in the Lease; differs for every process. */
export async function leaseHolder(): Promise<string> {
  const lease = await api.get<KubeObject<{ holderIdentity?: string }>>(
    resources.leases,
    namespace,
    "quoin-operator",
  );
  return lease.spec?.holderIdentity ?? "";
}

/** The last lines of every operator's log. */
export const operatorLog = (lines: number): Promise<string> =>
  inSystem("logs", "-l=app.kubernetes.io/name=quoin-operator", `--tail=${lines}`, "--prefix");

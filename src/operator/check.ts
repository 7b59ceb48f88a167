/** `quoin operator --check`, which `helm test` runs: is what was installed at work? */
import type { Clock } from "../ports/index.ts";
import type { OperatorOptions } from "./options.ts";
import { type KubeApi, pause, resources } from "./runtime/index.ts";
import type { KubeObject } from "./types/index.ts";

/** An installation that has just begun is given this long. */
const patienceMs = 60_000;

export interface CheckPorts {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly stdout: (text: string) => void;
  readonly signal: AbortSignal;
}

type Lease = KubeObject<{ readonly holderIdentity?: string }>;

/**
 * Prints a line for each thing looked at, in the end: every resource of Quoin is served and readable
 * in every watched namespace, and somebody holds and renews the Lease. Resolves to 0 when all is
 * well within a minute, else to 1.
 */
export async function checkInstallation(
  options: OperatorOptions,
  { api, clock, stdout, signal }: CheckPorts,
): Promise<number> {
  const deadlineMs = clock.nowMs() + patienceMs;
  const leader = leaderOf(options, api);
  for (;;) {
    const findings = await look(options, api, leader);
    const isWell = findings.every((it) => it.ok);
    if (isWell || signal.aborted || clock.nowMs() >= deadlineMs) {
      for (const { ok, text } of findings) stdout(`${ok ? "ok     " : "FAILED "} ${text}\n`);
      return isWell ? 0 : 1;
    }
    await pause(clock, 1000, signal);
  }
}

interface Finding {
  readonly ok: boolean;
  readonly text: string;
}

async function look(
  options: OperatorOptions,
  api: KubeApi,
  leader: () => Promise<string>,
): Promise<Finding[]> {
  const { watchNamespaces } = options;
  const namespaces = watchNamespaces.length > 0 ? watchNamespaces : [undefined];
  const ours = Object.values(resources).filter(({ group }) => group === "quoin.dev");
  const lists = namespaces.flatMap((namespace) =>
    ours.map(async (resource) => {
      const what = `${resource.plural} in ${namespace ?? "all namespaces"}`;
      const { items } = await api.list(resource, { namespace });
      return `${what} can be read (${items.length} there)`;
    }),
  );
  return Promise.all([...lists, leader()].map(settle));
}

async function settle(finding: Promise<string>): Promise<Finding> {
  try {
    return { ok: true, text: await finding };
  } catch (error) {
    return { ok: false, text: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Asks who leads, and believes it once the Lease was written anew since the first question: an operator that
 * died stands in it for a while, and its times are of another machine's clock.
 */
function leaderOf(options: OperatorOptions, api: KubeApi): () => Promise<string> {
  const { leaderElectionNamespace: namespace, leaderElectionName: name } = options;
  const lease = `Lease ${namespace}/${name}`;
  let seen: string | undefined;
  return async () => {
    const { metadata, spec } = await api.get<Lease>(resources.leases, namespace, name);
    const holder = spec?.holderIdentity ?? "";
    if (holder === "") throw new Error(`${lease}: no operator leads`);
    seen ??= metadata.resourceVersion;
    if (seen === metadata.resourceVersion) {
      throw new Error(`${lease}: ${holder} has not renewed it since this check began`);
    }
    return `${holder} leads (${lease})`;
  };
}

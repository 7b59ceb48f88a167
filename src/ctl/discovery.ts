import { resolveSrv } from "node:dns/promises";
import type { Invocation } from "./command.ts";
import { CommandError, exitCode } from "./exit.ts";
import { goQuote } from "./print/go-quote.ts";

/** What DNS says of a service: hosts and ports. Rejects with Error. */
export type LookUp = (
  name: string,
) => Promise<readonly { readonly name: string; readonly port: number }[]>;

/**
 * With `--discovery-srv` the endpoints are those that the domain's SRV records name, of
 * `_etcd-client-ssl._tcp` by https and of `_etcd-client._tcp` by http (etcd client/pkg/srv), whatever
 * `--endpoints` says; where there is none it stays. Without `--insecure-discovery` those by http are left out.
 */
export async function discoverEndpoints(
  { flags, out }: Invocation,
  lookUp: LookUp = resolveSrv,
): Promise<void> {
  const domain = flags.string("discovery-srv");
  if (domain === "") return;
  const suffix = flags.string("discovery-srv-name");
  const found: string[] = [];
  const errors: string[] = [];
  for (const [service, scheme] of [
    ["etcd-client-ssl", "https"],
    ["etcd-client", "http"],
  ]) {
    const record = `_${service}${suffix === "" ? "" : `-${suffix}`}._tcp.${domain}`;
    try {
      const hosts = await lookUp(record);
      for (const { name, port } of hosts) found.push(`${scheme}://${name}:${port}`);
    } catch (error) {
      errors.push(`lookup ${record}: ${reason(error)}`);
    }
  }
  if (errors.length === 2) {
    throw new CommandError(exitCode.error, `dns lookup errors: ${errors.join(" and ")}`);
  }
  const taken = found.filter((endpoint) => {
    const isTaken = flags.bool("insecure-discovery") || endpoint.startsWith("https:");
    if (!isTaken) out.error(`ignoring discovered insecure endpoint ${goQuote(endpoint)}\n`);
    return isTaken;
  });
  if (taken.length > 0) flags.replace("endpoints", taken);
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "ENOTFOUND" || code === "ENODATA" ? "no such host" : message;
}

/**
 * Members by SRV records: `_etcd-server-ssl._tcp.DOMAIN` names those with https peer URLs,
 * `_etcd-server._tcp.DOMAIN` those with http. Source: etcd client/pkg/srv/srv.go,
 * server/embed/config.go PeerURLsMapAndToken, GetDNSClusterNames.
 */
import { type MemberUrl, parseInitialCluster, type UrlsMap } from "../core/membership/index.ts";
import type { Logger } from "../ports/index.ts";

/** DNS. Both reject with Error. */
export interface Resolver {
  /** Targets with or without their last dot. */
  srv(name: string): Promise<readonly { readonly name: string; readonly port: number }[]>;
  /** One address of a host, IPv4 where it has any; of an address itself. */
  address(host: string): Promise<string>;
}

export interface SrvOptions {
  readonly resolver: Resolver;
  readonly logger: Logger;
  readonly domain: string;
  /** Behind `etcd-server` in the records' names; empty: none. */
  readonly serviceName: string;
  /** This member: its name, and the peer URLs by whose addresses it finds itself. */
  readonly name: string;
  readonly peerUrls: readonly MemberUrl[];
}

/** `isSecure`: at least one member was named by https. */
export interface SrvFound {
  readonly cluster: UrlsMap;
  readonly isSecure: boolean;
}

/**
 * The cluster that the domain's records describe. The record with our address carries our name; others
 * are called 0, 1, ... in the order of the answer, which need not be that of other members: ids come from
 * URLs alone. Throws Error, in etcd's words, when neither record is there or we are not among them.
 */
export async function findBySrv(o: SrvOptions): Promise<SrvFound> {
  const suffix = o.serviceName === "" ? "" : `-${o.serviceName}`;
  const own = new Map<string, MemberUrl>();
  for (const url of o.peerUrls) own.set(await addressOf(o.resolver, url.host), url);
  const nodes: string[] = [];
  const problems: string[] = [];
  for (const [service, scheme] of [
    [`etcd-server-ssl${suffix}`, "https"],
    [`etcd-server${suffix}`, "http"],
  ] as const) {
    let problem: string | undefined;
    try {
      nodes.push(...(await nodesOf(o, own, service, scheme)));
    } catch (error) {
      problem = `error querying DNS SRV records for _${service} ${(error as Error).message}`;
      problems.push(problem);
    }
    o.logger.info(`get cluster for ${service.replace(suffix, "")} SRV`, {
      "service-scheme": scheme,
      "service-name": service,
      "server-name": o.name,
      "discovery-srv": o.domain,
      "advertise-peer-urls": o.peerUrls.map((u) => u.text),
      "found-cluster": nodes,
      ...(problem === undefined ? {} : { error: problem }),
    });
  }
  const error = problems.join("\n");
  if (error !== "") o.logger.warn("failed to resolve during SRV discovery", { error });
  if (nodes.length === 0 && error !== "") throw new Error(error);
  for (const node of nodes) o.logger.info("got bootstrap from DNS for etcd-server", { node });
  const parsed = parseInitialCluster(nodes.join(","));
  if (!parsed.ok) throw new Error(parsed.error);
  if (nodes.length > 0 && !parsed.value.has(o.name)) {
    throw new Error(`cannot find local etcd member ${JSON.stringify(o.name)} in SRV records`);
  }
  return { cluster: parsed.value, isSecure: nodes.some((n) => n.includes("=https://")) };
}

/** `name=url` of each record of one service. */
async function nodesOf(
  { resolver, domain, name }: SrvOptions,
  own: ReadonlyMap<string, MemberUrl>,
  service: string,
  scheme: "http" | "https",
): Promise<string[]> {
  const record = `_${service}._tcp.${domain}`;
  const targets = await resolver.srv(record).catch((error: unknown) => {
    throw new Error(`lookup ${record}: ${reason(error)}`, { cause: error });
  });
  const nodes: string[] = [];
  let strangers = 0;
  let last: Error | undefined;
  for (const target of targets) {
    const host = target.name.replace(/\.$/, "");
    const at = `${host.includes(":") ? `[${host}]` : host}:${target.port}`;
    let address: string;
    try {
      // Go says a target as DNS does, with its last dot.
      address = await addressOf(resolver, at, `${host}.`);
    } catch (error) {
      last = error as Error;
      continue;
    }
    const url = own.get(address);
    const label = url === undefined ? String(strangers++) : name;
    if (url === undefined || url.scheme === scheme) nodes.push(`${label}=${scheme}://${at}`);
    else {
      const what = `bootstrap at ${scheme}://${at} from DNS for ${service}`;
      last = new Error(`${what} has scheme mismatch with expected peer ${url.text}`);
    }
  }
  if (nodes.length === 0 && last !== undefined) throw last;
  return nodes;
}

/** `host:port` with the host's address; `said`: the host in the error. */
async function addressOf(resolver: Resolver, hostPort: string, said?: string): Promise<string> {
  const colon = hostPort.lastIndexOf(":");
  const host = hostPort.slice(0, colon).replace(/^\[|\]$/g, "");
  const address = await resolver.address(host).catch((error: unknown) => {
    throw new Error(`lookup ${said ?? host}: ${reason(error)}`, { cause: error });
  });
  return `${address}:${hostPort.slice(colon + 1)}`;
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "ENOTFOUND" || code === "ENODATA" ? "no such host" : message;
}

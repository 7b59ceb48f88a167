/** Checks of --initial-cluster, done only where the data dir is empty (etcd server/config). */
import {
  formatInitialCluster,
  goQuote,
  hasDuplicateUrl,
  type MemberUrl,
} from "../../core/membership/index.ts";
import type { ServerConfig } from "./types.ts";

/** Why a new cluster may not be formed with this configuration, or undefined. */
export function verifyBootstrap(c: ServerConfig): string | undefined {
  return verifyLocal(c) ?? verifyAdvertised(c) ?? verifyUnique(c);
}

/** Why a running cluster may not be joined with this configuration, or undefined. */
export function verifyJoin(c: ServerConfig): string | undefined {
  const problem = verifyLocal(c) ?? verifyUnique(c);
  if (problem !== undefined || c.registry === undefined) return problem;
  return "discovery URL should not be set when joining existing initial cluster";
}

function verifyLocal(c: ServerConfig): string | undefined {
  if (c.initialClusterProblem !== undefined) {
    return `error setting up initial cluster: ${c.initialClusterProblem}`;
  }
  if (c.initialCluster.has(c.name)) return undefined;
  return `couldn't find local name ${goQuote(c.name)} in the initial cluster configuration`;
}

function verifyUnique(c: ServerConfig): string | undefined {
  if (!hasDuplicateUrl(c.initialCluster)) return undefined;
  return `initial cluster ${formatInitialCluster(c.initialCluster)} has duplicate url`;
}

/**
 * Our peer URLs there and here must be the same. etcd also resolves host names before it gives
 * up; here they are compared as text.
 */
function verifyAdvertised(c: ServerConfig): string | undefined {
  const initial = texts(c.initialCluster.get(c.name) ?? []);
  const advertised = texts(c.initialAdvertisePeerUrls);
  const notAdvertised = initial.filter((u) => !advertised.includes(u));
  if (notAdvertised.length > 0) {
    const missing = notAdvertised.map((u) => `${c.name}=${u}`).join(",");
    const why = difference(advertised, initial);
    return `--initial-cluster has ${missing} but missing from --initial-advertise-peer-urls=${advertised.join(",")} (${why})`;
  }
  const notInitial = advertised.filter((u) => !initial.includes(u));
  if (notInitial.length === 0) return undefined;
  const own = formatInitialCluster(new Map([[c.name, c.initialAdvertisePeerUrls]]));
  return `--initial-advertise-peer-urls has ${notInitial.join(",")} but missing from --initial-cluster=${own}`;
}

function difference(a: readonly string[], b: readonly string[]): string {
  const list = (urls: readonly string[]): string => `[${urls.map(goQuote).join(" ")}]`;
  if (a.length !== b.length) return `len(${list(a)}) != len(${list(b)})`;
  const at = a.findIndex((url, i) => url !== b[i]);
  return `resolved urls: ${goQuote(a[at] ?? "")} != ${goQuote(b[at] ?? "")}`;
}

const texts = (urls: readonly MemberUrl[]): string[] => urls.map((u) => u.text).sort();

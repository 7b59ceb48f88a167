/**
 * What is wrong with a data folder, as an exit code: an operator may replace a member whose disk
 * lost its data, never one that was given a wrong flag.
 */
import { hexId, type MemberId } from "../core/types.ts";
import { isEngineDamage } from "../storage/backend/index.ts";
import { SnapshotError } from "../storage/snapshot/index.ts";
import { readMetadata, WalError } from "../storage/wal/index.ts";
import { BootError } from "./errors.ts";
import type { MemberOptions, MemberPorts } from "./options.ts";
import type { StateMachine } from "./state-machine.ts";

/** Damage of log, engine and snapshots by its BootError; other errors (EACCES, EIO) as they are. */
export function asBootError(error: unknown, dataDir: string): unknown {
  if (error instanceof WalError && error.kind !== "exists") {
    return new BootError("corrupt", error.message, error);
  }
  if (error instanceof SnapshotError && error.code === "foreign") {
    return new BootError("foreign", error.message, error);
  }
  if (error instanceof SnapshotError && (error.code === "corrupt" || error.code === "hash")) {
    return new BootError("corrupt", error.message, error);
  }
  if (isEngineDamage(error)) {
    const { message } = error as Error;
    const advice = "empty the data dir and replace the member, or restore from a snapshot";
    return new BootError("corrupt", `the engine in ${dataDir} is damaged: ${message}; ${advice}`);
  }
  return error;
}

/**
 * Refuses the log of another cluster, before anything is changed. Asked for by --quoin-cluster-id
 * only: etcd takes whatever data it finds, and so do we without the flag.
 */
export async function refuseForeign(
  o: Pick<MemberOptions, "dataDir" | "clusterId">,
  p: Pick<MemberPorts, "disk">,
  walDir: string,
): Promise<void> {
  if (o.clusterId === undefined) return;
  const { clusterId } = await readMetadata(p.disk, walDir);
  if (clusterId === o.clusterId) return;
  throw new BootError(
    "foreign",
    `${o.dataDir} holds data of cluster ${hexId(clusterId)}, but this is a member of cluster ` +
      `${hexId(o.clusterId)}; nothing was changed: mount the member's own volume, or replace the member`,
  );
}

/** Refuses data of another member of the same cluster: a copied volume would vote twice. */
export function refuseOtherMember(
  o: Pick<MemberOptions, "dataDir" | "clusterId" | "initialAdvertisePeerUrls">,
  state: StateMachine,
  id: MemberId,
): void {
  if (o.clusterId === undefined) return;
  const known = state.cluster.member(id);
  const own = new Set(o.initialAdvertisePeerUrls.map(hostOf));
  if (known === undefined || known.peerURLs.some((url) => own.has(hostOf(url)))) return;
  throw new BootError(
    "foreign",
    `${o.dataDir} holds the data of member ${hexId(id)} at ${known.peerURLs.join(",")}, but this member ` +
      `is at ${o.initialAdvertisePeerUrls.join(",")}: two members on copies of one disk would break the cluster; ` +
      "mount the member's own volume, or replace the member",
  );
}

/** Without the scheme: TLS may have been switched on since. */
const hostOf = (url: string): string => URL.parse(url)?.host ?? url;

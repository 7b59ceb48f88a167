import type { rpcpb } from "../../proto/client/index.ts";
import type { EndpointHashKv, EndpointHealth, EndpointStatus } from "./printer.ts";

/** A list as text cells: joined by the simple printer, framed by the table printer. */
export interface Rows {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** An unsigned id as etcd prints it. */
export const hex = (id: bigint): string => BigInt.asUintN(64, id).toString(16);

/** A lease id as etcd prints it: signed, sixteen digits. */
export const leaseHex = (id: bigint): string =>
  id < 0n ? `-${(-id).toString(16).padStart(15, "0")}` : id.toString(16).padStart(16, "0");

/** A size with SI units, two digits below ten: `20 kB`, `2.1 GB`. */
export function humanBytes(bytes: number): string {
  if (bytes < 10) return `${bytes} B`;
  const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  const power = Math.min(Math.floor(Math.log(bytes) / Math.log(1000)), units.length - 1);
  const value = Math.floor((bytes / 1000 ** power) * 10 + 0.5) / 10;
  if (value < 10) return `${value.toFixed(1)} ${units[power]}`;
  // Go rounds a half to the even neighbour.
  const half = value % 1 === 0.5;
  const rounded = half && Math.floor(value) % 2 === 0 ? Math.floor(value) : Math.round(value);
  return `${rounded} ${units[power]}`;
}

export const memberRows = (members: readonly rpcpb.Member[]): Rows => ({
  header: ["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"],
  rows: members.map((m) => [
    hex(m.id),
    m.name === "" ? "unstarted" : "started",
    m.name,
    m.peerURLs.join(","),
    m.clientURLs.join(","),
    String(m.isLearner),
  ]),
});

export const healthRows = (list: readonly EndpointHealth[]): Rows => ({
  header: ["endpoint", "health", "took", "error"],
  rows: list.map((h) => [h.endpoint, String(h.health), h.took, h.error]),
});

export const statusRows = (list: readonly EndpointStatus[]): Rows => ({
  header: [
    "endpoint",
    "ID",
    "version",
    "storage version",
    "db size",
    "in use",
    "percentage not in use",
    "quota",
    "is leader",
    "is learner",
    "raft term",
    "raft index",
    "raft applied index",
    "errors",
    "downgrade target version",
    "downgrade enabled",
  ],
  rows: list.map(({ endpoint, status: s }) => {
    const member = s.header?.memberId ?? 0n;
    const unused = s.dbSize === 0 ? 0 : 100 - Math.trunc((s.dbSizeInUse * 100) / s.dbSize);
    return [
      endpoint,
      hex(member),
      s.version,
      s.storageVersion,
      humanBytes(s.dbSize),
      humanBytes(s.dbSizeInUse),
      `${unused}%`,
      humanBytes(s.dbSizeQuota),
      String(s.leader === member),
      String(s.isLearner),
      String(s.raftTerm),
      String(s.raftIndex),
      String(s.raftAppliedIndex),
      s.errors.join(", "),
      s.downgradeInfo?.targetVersion ?? "",
      String(s.downgradeInfo?.enabled ?? false),
    ];
  }),
});

export const hashKvRows = (list: readonly EndpointHashKv[]): Rows => ({
  header: ["endpoint", "hash", "hash_revision"],
  rows: list.map(({ endpoint, hashKv }) => [
    endpoint,
    String(hashKv.hash),
    String(hashKv.hashRevision),
  ]),
});

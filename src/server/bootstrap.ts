/**
 * The first data of a member: the log of a new cluster's member, or the empty log of one that joins.
 * Source: etcd server/etcdserver/bootstrap.go.
 */
import { join } from "node:path";
import {
  assignIds,
  bootstrapCluster,
  type Cluster,
  Cluster as ClusterRecord,
  decodeMembers,
  encodeMemberContext,
  formatInitialCluster,
  hasDuplicateUrl,
  type Member as MemberRecord,
} from "../core/membership/index.ts";
import { ConfChangeType, type Entry, EntryType } from "../core/raft/index.ts";
import { type ClusterId, hexId, index, type MemberId, noMember, term } from "../core/types.ts";
import type { Disk } from "../ports/index.ts";
import { raftpb } from "../proto/index.ts";
import { Wal, type WalOptions } from "../storage/wal/index.ts";
import { BootError, DiscoveryError } from "./errors.ts";
import type { MemberOptions, MemberPorts } from "./options.ts";
import { memberDir, tokenPath, walDirOf } from "./paths.ts";

interface Ids {
  readonly nodeId: MemberId;
  readonly clusterId: ClusterId;
}

/**
 * Fills an empty data folder so that the member may boot as the only voter of a new cluster. The
 * folder appears whole or not at all; one of the same member is left as it is, any other refused.
 */
export async function initDataDir(
  o: Pick<
    MemberOptions,
    "name" | "dataDir" | "initialCluster" | "initialClusterToken" | "maxLearners"
  >,
  p: Pick<MemberPorts, "disk" | "faults" | "logger" | "clock" | "sha1">,
): Promise<{ readonly memberId: MemberId; readonly clusterId: ClusterId }> {
  const { cluster, ids } = describeCluster(o, p);
  const made = { memberId: ids.nodeId, clusterId: ids.clusterId };
  if (await p.disk.exists(memberDir(o.dataDir))) {
    // The Job that fills a seed's volume may run again after its success was lost.
    if (await holdsMember(o.dataDir, ids, p)) return made;
    throw new BootError("exists", `data dir ${o.dataDir} holds a member already; empty it first`);
  }
  await writeNewLog(p, o, ids, bootstrapEntries(cluster));
  return made;
}

/** Whether the log there is that of this member of this cluster. */
async function holdsMember(dataDir: string, ids: Ids, p: LogPorts): Promise<boolean> {
  const walDir = walDirOf({ dataDir, walDir: undefined });
  if (!(await Wal.exists(p.disk, walDir))) return false;
  const { wal, contents } = await Wal.open(walOptions(p), walDir, (valid) => valid.at(-1)!);
  await wal.close();
  const { nodeId, clusterId } = contents.metadata;
  return nodeId === ids.nodeId && clusterId === ids.clusterId;
}

/** The options with the cluster that SRV records describe, where they are asked. */
export async function withNamedCluster(o: MemberOptions, p: MemberPorts): Promise<MemberOptions> {
  if (p.discovery?.kind !== "srv") return o;
  const initialCluster = await p.discovery.find().catch((error: Error) => {
    throw new BootError("config", `error setting up initial cluster: ${error.message}`, error);
  });
  return { ...o, initialCluster };
}

/** Forms the cluster that --initial-cluster or a registry describes, unless it is there already. */
export async function formCluster(given: MemberOptions, p: MemberPorts): Promise<void> {
  const o = await withRegisteredCluster(given, p);
  const { cluster, ids } = describeCluster(o, p);
  await refuseBootstrapped(o, p, cluster);
  if (o.walDir === undefined) await initDataDir(o, p);
  else await createLog(p, o.walDir, ids, bootstrapEntries(cluster));
}

/** The options with everybody who met us in the registry, where there is one. Throws DiscoveryError. */
async function withRegisteredCluster(o: MemberOptions, p: MemberPorts): Promise<MemberOptions> {
  if (p.discovery?.kind !== "registry") return o;
  const self = describeCluster(o, p).ids.nodeId;
  p.logger.info("Bootstrapping cluster using v3 discovery.");
  const own = formatInitialCluster(o.initialCluster);
  const initialCluster = await p.discovery.join(self, own).catch((error: Error) => {
    throw new DiscoveryError(error);
  });
  const found = formatInitialCluster(initialCluster);
  if (hasDuplicateUrl(initialCluster)) {
    throw new BootError("config", `discovery cluster ${found} has duplicate url`);
  }
  const named = { ...o, initialCluster };
  // etcd does not look, and waits for ever for a member that nobody is.
  if (initialCluster.has(o.name) && describeCluster(named, p).ids.nodeId === self) return named;
  const why = `member ${hexId(self)} (${own}) is not in the discovered cluster ${found}`;
  const advice = "give each member its own --name and begin anew with a new --discovery-token";
  throw new BootError("config", `${why}; ${advice}`);
}

/** The cluster of the flags, and who this member is in it. */
function describeCluster(
  o: Pick<MemberOptions, "name" | "initialCluster" | "initialClusterToken" | "maxLearners">,
  p: Pick<MemberPorts, "sha1">,
): { readonly cluster: Cluster; readonly ids: Ids } {
  const cluster = bootstrapCluster(p.sha1, o.initialClusterToken, o.initialCluster, o);
  if (!cluster.ok) throw new BootError("config", cluster.error);
  const self = cluster.value.memberByName(o.name);
  if (self === undefined) {
    throw new BootError(
      "config",
      `couldn't find local name "${o.name}" in the initial cluster configuration`,
    );
  }
  return { cluster: cluster.value, ids: { nodeId: self.id, clusterId: cluster.value.clusterId } };
}

/** Asks again while peers do not answer, or do not know this member yet, up to joinWaitMs or until told to stop. */
export async function joinPatiently(o: MemberOptions, p: MemberPorts): Promise<Cluster> {
  const deadlineMs = p.clock.nowMs() + (o.joinWaitMs ?? 0);
  for (;;) {
    try {
      return await joinCluster(o, p);
    } catch (error) {
      const mayPass = error instanceof BootError && error.code === "join";
      const isOver = (): boolean => p.stopping?.aborted === true || p.clock.nowMs() >= deadlineMs;
      if (!mayPass || isOver()) throw error;
      p.logger.info("waiting until the cluster knows this member", { reason: error.message });
      await pause(1000, p);
      if (p.stopping?.aborted === true) throw error;
    }
  }
}

/** Resolves after `ms`, or as soon as the process is told to end. */
function pause(ms: number, { clock, stopping }: MemberPorts): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      stopping?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    stopping?.addEventListener("abort", end);
  });
}

/** Learns the ids from the running cluster; the log comes from its leader. */
async function joinCluster(o: MemberOptions, p: MemberPorts): Promise<Cluster> {
  const { cluster: local } = describeCluster(o, p);
  const others = [...o.initialCluster]
    .filter(([name]) => name !== o.name)
    .flatMap(([, urls]) => urls.map((u) => u.text));
  const fetched = await p.fetchMembers(others, p.stopping).catch((error: unknown) => {
    throw new BootError(
      "join",
      `cannot fetch cluster info from peer urls ${others.join(",")}: ${(error as Error).message}`,
    );
  });
  const members = decodeMembers(fetched.body);
  if (members === undefined) throw new BootError("join", "peers' member list does not read");
  const assigned = assignIds(local, { clusterId: fetched.clusterId, members });
  if (!assigned.ok) {
    throw new BootError("join", `error validating peerURLs: ${assigned.error}`);
  }
  const cluster = new ClusterRecord(assigned.value, { ...o, expected: true });
  const self = cluster.memberByName(o.name);
  if (self === undefined) throw new BootError("config", `unknown member name "${o.name}"`);
  refuseEmptied(o, self.id, members);
  const ids = { nodeId: self.id, clusterId: cluster.clusterId };
  if (o.walDir === undefined) await writeNewLog(p, o, ids, []);
  else await createLog(p, o.walDir, ids, []);
  return cluster;
}

/**
 * A member that has published its client URLs had a log once: without it, it would have forgotten
 * its votes and what it acknowledged. Other members say so where there are any.
 */
function refuseEmptied(o: MemberOptions, id: MemberId, members: readonly MemberRecord[]): void {
  const known = members.find((m) => m.id === id);
  if (known === undefined || known.clientURLs.length === 0) return;
  throw new BootError(
    "emptied",
    `member ${hexId(id)} has already been bootstrapped, but ${o.dataDir} is empty; ` +
      "restore its data, or remove the member and add it as a new one",
  );
}

async function refuseBootstrapped(
  o: MemberOptions,
  p: MemberPorts,
  cluster: Cluster,
): Promise<void> {
  const self = cluster.memberByName(o.name);
  const others = cluster.members().filter((m) => m.id !== self?.id);
  if (self === undefined || others.length === 0) return;
  const running = await p.fetchMembers(others.flatMap((m) => m.peerURLs)).catch(() => undefined);
  if (running === undefined || running.clusterId !== cluster.clusterId) return;
  refuseEmptied(o, self.id, decodeMembers(running.body) ?? []);
}

type LogPorts = Pick<
  MemberPorts,
  "disk" | "faults" | "logger" | "clock" | "walObserver" | "walSegmentBytes"
>;

/** `member/` appears by one rename, with the whole log in it. */
async function writeNewLog(
  p: LogPorts,
  { dataDir, initialClusterToken }: Pick<MemberOptions, "dataDir" | "initialClusterToken">,
  ids: Ids,
  entries: readonly Entry[],
): Promise<void> {
  const made = join(dataDir, "member.new");
  await p.disk.removeAll(made);
  await p.disk.mkdir(join(made, "snap"));
  await createLog(p, join(made, "wal"), ids, entries);
  await writeToken(p.disk, made, initialClusterToken);
  await p.disk.syncDir(made);
  await p.disk.rename(made, memberDir(dataDir));
  await p.disk.syncDir(dataDir);
}

/** Which cluster the data belongs to, for people and for `quoin util inspect`; the caller syncs. */
export async function writeToken(disk: Disk, member: string, token: string): Promise<void> {
  const file = await disk.open(tokenPath(member), { create: true });
  await file.write([Buffer.from(`${token}\n`)], 0);
  await file.sync();
  await file.close();
}

async function createLog(
  p: LogPorts,
  walDir: string,
  ids: Ids,
  entries: readonly Entry[],
): Promise<void> {
  const wal = await Wal.create(walOptions(p), walDir, ids);
  const last = entries.at(-1);
  if (last !== undefined) {
    await wal.save({ term: last.term, vote: noMember, commit: last.index }, entries);
  }
  await wal.close();
}

/** The first entries of every member's log: one conf change a member, as etcd's Bootstrap writes. */
function bootstrapEntries(cluster: Cluster): Entry[] {
  return cluster.members().map((m, i) => ({
    term: term(1),
    index: index(i + 1),
    type: EntryType.ConfChange,
    data: raftpb.encodeConfChange({
      id: 0n,
      type: ConfChangeType.AddNode,
      nodeId: m.id,
      context: encodeMemberContext(m),
    }),
  }));
}

export const walOptions = (p: LogPorts): WalOptions => ({
  disk: p.disk,
  faults: p.faults,
  logger: p.logger,
  nowMs: () => p.clock.nowMs(),
  ...(p.walObserver === undefined ? {} : { observer: p.walObserver }),
  ...(p.walSegmentBytes === undefined ? {} : { segmentBytes: p.walSegmentBytes }),
});

/** Reads everything a pass decides by: live, from the API server and from the members. */
import type { Clock } from "../../ports/index.ts";
import type { EtcdAdmin, EtcdMemberList, EtcdStatus } from "../etcd/index.ts";
import {
  budgetName,
  clientServiceName,
  hasTls,
  labelCluster,
  labelDetached,
  labelLost,
  memberHost,
  peerHostPort,
  peerServiceName,
  ports,
} from "../resources/index.ts";
import { type KubeApi, orUndefined, type Resource, resources } from "../runtime/index.ts";
import type {
  DisruptionBudget,
  EtcdCluster,
  Job,
  KubeObject,
  Pod,
  Service,
  StatefulSet,
  Volume,
} from "../types/index.ts";
import { digestJob, digestPod, digestSet, digestVolume, isMemberPod, memberOf } from "./digest.ts";
import { compareHashes } from "./hashes.ts";
import { isInspection, observeInspections } from "./inspection.ts";
import { type Objects, splitLives } from "./lives.ts";
import { tellMounts } from "./mounts.ts";
import { observeRequests } from "./requests.ts";
import { type Credentials, observeTls } from "./secrets.ts";
import type {
  ForeignVolume,
  Observed,
  ObservedLife,
  ObservedMember,
  Peer,
  Probe,
} from "./types.ts";

export interface ObserveContext {
  readonly api: KubeApi;
  readonly etcd: EtcdAdmin;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How the members are reached; default their pod's address, by http or https as the cluster has it. */
  readonly endpointOf?: (pod: Pod, scheme: string) => string | undefined;
}

export interface Observation {
  readonly observed: Observed;
  /** Client endpoint by member name, of members whose pod has an address. */
  readonly endpoints: ReadonlyMap<string, string>;
}

/** Throws KubeError when the API server does not answer; silent members are no error. */
export async function observe(cluster: EtcdCluster, c: ObserveContext): Promise<Observation> {
  const { name, namespace } = cluster.metadata;
  const find = <T extends KubeObject>(resource: Resource, object: string) =>
    orUndefined(c.api.get<T>(resource, namespace, object, c.signal));
  const [objects, secured, requests, peerService, clientService, budget] = await Promise.all([
    listObjects(cluster, c),
    observeTls(cluster, c),
    observeRequests(cluster, c),
    find<Service>(resources.services, peerServiceName(name)),
    find<Service>(resources.services, clientServiceName(name)),
    find<DisruptionBudget>(resources.budgets, budgetName(name)),
  ]);
  const lives = splitLives(cluster, objects);
  const endpoints = memberEndpoints(cluster, lives.asked, secured?.credentials, c);
  const [present, next] = await Promise.all([
    observeLife(cluster, lives.present, endpoints, c),
    lives.next && observeLife(cluster, lives.next, endpoints, c),
  ]);
  const keptVolumes = await countKeptVolumes(cluster, present.members, c);
  const hashes = await compareHashes(cluster, present, endpoints, c);
  return {
    endpoints,
    observed: {
      cluster,
      ...present,
      ...(peerService ? { peerService } : {}),
      ...(clientService ? { clientService } : {}),
      ...(budget ? { budget } : {}),
      ...(secured ? { tls: secured.tls } : {}),
      foreignVolumes: foreignVolumes(lives.foreign),
      ...(keptVolumes === undefined ? {} : { keptVolumes }),
      ...(next ? { next } : {}),
      ...requests,
      ...(hashes ? { hashes } : {}),
    },
  };
}

/** What the members of one token say of themselves, joined with their objects. */
async function observeLife(
  cluster: EtcdCluster,
  objects: Objects,
  endpoints: ReadonlyMap<string, string>,
  c: ObserveContext,
): Promise<ObservedLife> {
  const own = new Set(objects.pods.map(memberOf));
  const ownEndpoints = new Map([...endpoints].filter(([member]) => own.has(member)));
  const statuses = await probeAll(ownEndpoints, c);
  const live = await liveMembers(ownEndpoints, statuses, c);
  return {
    members: joinMembers(cluster, objects, live, statuses, c.clock.wallMs()),
    ...(live ? { live: { clusterId: live.clusterId, peers: peersOf(live) } } : {}),
  };
}

/** Asked only while a member of the list looks lost: most passes need not know. */
async function countKeptVolumes(
  cluster: EtcdCluster,
  members: readonly ObservedMember[],
  c: ObserveContext,
): Promise<number | undefined> {
  const suspect = members.some(
    (m) =>
      m.peer !== undefined &&
      (m.probe === undefined || m.volume?.deleting !== false || m.volume.lost),
  );
  if (!suspect) return undefined;
  const { name, namespace } = cluster.metadata;
  const labelSelector = `${labelDetached}=${name},${labelLost}`;
  const options = { namespace, labelSelector, signal: c.signal };
  return (await c.api.list<Volume>(resources.volumes, options)).items.length;
}

async function listObjects(cluster: EtcdCluster, c: ObserveContext): Promise<Objects> {
  const { name, namespace } = cluster.metadata;
  const labelSelector = `${labelCluster}=${name}`;
  // Backups of the cluster carry its label too, but no member's.
  const list = async <T extends KubeObject>(resource: Resource): Promise<readonly T[]> => {
    const { items } = await c.api.list<T>(resource, { namespace, labelSelector, signal: c.signal });
    return items.filter((o) => memberOf(o) !== "");
  };
  const [sets, pods, volumes, jobs] = await Promise.all([
    list<StatefulSet>(resources.statefulSets),
    list<Pod>(resources.pods),
    list<Volume>(resources.volumes),
    list<Job>(resources.jobs),
  ]);
  // Members' pods stand for themselves: a warning that passes must not make one of them broken.
  const [members, workers] = [pods.filter(isMemberPod), pods.filter((p) => !isMemberPod(p))];
  const told = await tellMounts(workers, c.clock.wallMs(), c);
  return { sets, pods: [...members, ...told], volumes, jobs };
}

/**
 * Pod addresses, not DNS: names appear seconds later and stay cached when a pod has moved. With TLS a member has to
 * show its DNS name all the same.
 */
function memberEndpoints(
  cluster: EtcdCluster,
  pods: readonly Pod[],
  credentials: Credentials | undefined,
  c: ObserveContext,
): Map<string, string> {
  const endpoints = new Map<string, string>();
  const isSecure = hasTls(cluster, "client");
  if (isSecure && credentials === undefined) return endpoints; // Told by plan/certificates.ts.
  for (const pod of pods) {
    if (!isMemberPod(pod) || pod.metadata.deletionTimestamp !== undefined) continue;
    const endpoint = (c.endpointOf ?? defaultEndpoint)(pod, isSecure ? "https" : "http");
    if (endpoint === undefined) continue;
    const member = memberOf(pod);
    const serverName = memberHost(cluster, member);
    c.etcd.secure(endpoint, isSecure && credentials ? { ...credentials, serverName } : undefined);
    endpoints.set(member, endpoint);
  }
  return endpoints;
}

function defaultEndpoint(pod: Pod, scheme: string): string | undefined {
  const ip = pod.status?.podIP;
  if (ip === undefined || pod.status?.phase !== "Running") return undefined;
  return `${scheme}://${ip.includes(":") ? `[${ip}]` : ip}:${ports.client}`;
}

async function probeAll(
  endpoints: ReadonlyMap<string, string>,
  c: ObserveContext,
): Promise<Map<string, EtcdStatus>> {
  const statuses = new Map<string, EtcdStatus>();
  const probe = async (member: string, endpoint: string): Promise<void> => {
    try {
      statuses.set(member, await c.etcd.status(endpoint, c.signal));
    } catch {
      // Silence is an observation: the member simply has no status.
    }
  };
  await Promise.all([...endpoints].map(([member, endpoint]) => probe(member, endpoint)));
  c.signal.throwIfAborted();
  return statuses;
}

/** The first linearizable member list, asking the leader first; learners cannot answer. */
async function liveMembers(
  endpoints: ReadonlyMap<string, string>,
  statuses: ReadonlyMap<string, EtcdStatus>,
  c: ObserveContext,
): Promise<EtcdMemberList | undefined> {
  const candidates = [...statuses]
    .filter(([, s]) => s.leader !== undefined && !s.learner)
    .sort(([, a], [, b]) => Number(b.leader === b.memberId) - Number(a.leader === a.memberId));
  for (const [member] of candidates) {
    try {
      return await c.etcd.memberList(endpoints.get(member) ?? "", c.signal);
    } catch {
      // The next one may have a quorum.
    }
  }
  return undefined;
}

const peersOf = (live: EtcdMemberList): Peer[] =>
  live.members.map((m) => ({
    id: m.id,
    name: m.name,
    peerUrl: m.peerUrls[0] ?? "",
    learner: m.learner,
  }));

function foreignVolumes(volumes: readonly Volume[]): ForeignVolume[] {
  return volumes
    .filter((v) => v.metadata.deletionTimestamp === undefined)
    .map((v) => ({
      name: v.metadata.name,
      uid: v.metadata.uid ?? "",
      token: digestVolume(v, "").token,
      mayServe: digestVolume(v, "").joinOrder !== undefined,
      peerTls: digestVolume(v, "").joinOrder?.includes("=https://") === true,
      member: memberOf(v),
    }));
}

/** Everything by member name; list entries are matched by peer host:port. */
function joinMembers(
  cluster: EtcdCluster,
  objects: Objects,
  live: EtcdMemberList | undefined,
  statuses: ReadonlyMap<string, EtcdStatus>,
  nowMs: number,
): ObservedMember[] {
  const uid = cluster.metadata.uid ?? "";
  const volumes = byMember(objects.volumes);
  const sets = byMember(objects.sets);
  const pods = byMember(objects.pods.filter(isMemberPod));
  const jobPods = Map.groupBy(
    objects.pods.filter((p) => !isMemberPod(p) && !isInspection(p)),
    memberOf,
  );
  const jobs = byMember(objects.jobs.filter((j) => !isInspection(j)));
  const inspections = observeInspections(objects, nowMs);
  const peers = peersByMember(cluster, live);
  const maps = [volumes, sets, pods, jobs, inspections, peers];
  const names = new Set(maps.flatMap((map) => [...map.keys()]));
  return [...names].sort().map((name) => {
    const volume = volumes.get(name);
    const set = sets.get(name);
    const pod = pods.get(name);
    const job = jobs.get(name);
    const inspect = inspections.get(name);
    const peer = peers.get(name);
    const probe = probeOf(statuses.get(name), peer, live?.clusterId);
    return {
      name,
      ...(volume ? { volume: digestVolume(volume, uid) } : {}),
      ...(set ? { statefulSet: digestSet(set, uid) } : {}),
      ...(pod ? { pod: digestPod(pod, nowMs) } : {}),
      ...(job ? { job: digestJob(job, jobPods.get(name) ?? [], uid, nowMs) } : {}),
      ...(inspect ? { inspect } : {}),
      ...(peer ? { peer } : {}),
      ...(probe ? { probe } : {}),
    };
  });
}

function byMember<T extends KubeObject>(objects: readonly T[]): Map<string, T> {
  return new Map(objects.map((o) => [memberOf(o), o]));
}

/** Entries whose peer host is one this cluster's peer Service would give a member. */
function peersByMember(cluster: EtcdCluster, live: EtcdMemberList | undefined): Map<string, Peer> {
  const found = new Map<string, Peer>();
  for (const peer of live === undefined ? [] : peersOf(live)) {
    const hostPort = peerHostPort(peer.peerUrl);
    const member = /^([^.]+)-0\./.exec(hostPort ?? "")?.[1];
    if (member === undefined) continue;
    if (hostPort === `${memberHost(cluster, member)}:${ports.peer}`) found.set(member, peer);
  }
  return found;
}

/** An answer counts only if it comes from the member we meant: addresses are used again. */
function probeOf(
  status: EtcdStatus | undefined,
  peer: Peer | undefined,
  clusterId: string | undefined,
): Probe | undefined {
  if (status === undefined) return undefined;
  if (peer !== undefined && peer.id !== status.memberId) return undefined;
  if (clusterId !== undefined && status.clusterId !== clusterId) return undefined;
  const { clusterId: _cluster, memberId: _member, learner: _learner, ...probe } = status;
  return probe;
}

/**
 * A small model of Kubernetes and etcd for planning: steps change it, `turn` lets the controllers,
 * kubelets and members do their part. Time stands still; nothing here knows the operator's plans.
 */
import type { JobReport } from "../../src/backup/index.ts";
import { buildSecret, otherSecret } from "../../src/operator/act/index.ts";
import { digestSecrets, type Resolution } from "../../src/operator/observe/index.ts";
import type {
  Observed,
  ObservedInspection,
  ObservedLife,
  ObservedMember,
  ObservedPod,
  Peer,
  Probe,
  RestoreRequest,
} from "../../src/operator/observe/types.ts";
import type { Step } from "../../src/operator/plan/index.ts";
import {
  annotationRole,
  annotationSource,
  annotationTemplate,
  componentInspect,
  hasTls,
  labelComponent,
  labelMember,
  labelToken,
  memberHost,
  operatorSecretName,
  peerHostPort,
} from "../../src/operator/resources/index.ts";
import {
  apiVersion,
  type DisruptionBudget,
  type EtcdCluster,
  type EtcdClusterSpec,
  type EtcdClusterStatus,
  type Job,
  type KubeObject,
  kind,
  type Secret,
  type Service,
} from "../../src/operator/types/index.ts";
import { Issuer } from "./issuers.ts";

interface VolumeState {
  uid: string;
  /** Its claim's name stays when it is given to another member. */
  claim: string;
  resourceVersion: string;
  role: "seed" | "member";
  token: string;
  joinOrder?: string;
  size: string;
  owned: boolean;
  detached: boolean;
  /** Id of the member whose data lies on it. */
  data?: string;
  /** Where the log on it ends; of its cluster when absent. */
  log?: { lastLogTerm: number; lastLogIndex: number };
  /** The token of the last force-new on it. */
  forced?: string;
  source?: string;
  /** Cannot be attached: Jobs on it end by their deadline. */
  detachedFromNodes?: boolean;
  /** The exit code that a server on it ends with. */
  damage?: number;
  /** Deleted, but still in use by a pod. */
  deleting: boolean;
  /** Label quoin.dev/lost. */
  lost?: string;
}

interface SetState {
  uid: string;
  digest: string;
  joinOrder: string;
}

interface PodState {
  uid: string;
  digest: string;
  running: boolean;
  deleting: boolean;
  stuck?: string;
  restarts: number;
  young: boolean;
  exit?: { code: number; message: string; running: boolean };
  /** Its node is dead: the pod neither ends nor comes back. */
  unreachable?: { since: string; ms: number };
}

interface JobState {
  uid: string;
  digest: string;
  done: boolean;
  source?: string;
  /** The command its pod runs: "util init", "util force-new" or "backup restore". */
  command: string;
  report?: JobReport;
}

/** What the members of one token say of themselves. */
interface Life {
  clusterId: string;
  peers: Peer[];
  leader: string | undefined;
  /** Of the key-value store. */
  revision?: number;
}

/** The refusal of a stale or impossible step; the pass ends and the next one looks again. */
export class Refused extends Error {
  override readonly name = "Refused";
}

export class World {
  cluster: EtcdCluster;
  readonly services = new Map<string, Service>();
  budget: DisruptionBudget | undefined;
  readonly volumes = new Map<string, VolumeState>();
  readonly sets = new Map<string, SetState>();
  readonly pods = new Map<string, PodState>();
  readonly jobs = new Map<string, JobState>();
  readonly inspections = new Map<
    string,
    { uid: string; state: "running" | "complete" | "failed" }
  >();
  readonly secrets = new Map<string, Secret>();
  /** cert-manager's. */
  readonly certificates = new Map<string, KubeObject>();
  #digested:
    | { readonly key: string; readonly secrets: ReturnType<typeof digestSecrets> }
    | undefined;
  readonly issuer = new Issuer(Date.parse("2026-01-01T00:00:00Z"));
  /** By token. */
  readonly lives = new Map<string, Life>();
  /** The operator's --default-tls. */
  defaultTls: "Operator" | "Disabled" = "Disabled";
  /** Moved by whoever plays. */
  nowMs = Date.parse("2026-01-01T00:00:00Z");
  /** How many clusters were ever formed; more than one is a split brain. */
  formed = 0;
  /** Digests whose pods cannot start, as a wrong image. */
  readonly badDigests: Set<string>;
  /** Learners that were promoted before they had run. */
  errors: string[] = [];
  /** When true nothing happens by itself. */
  frozen = false;
  /** An EtcdRestore that is ready to be taken. */
  request: RestoreRequest | undefined;
  /** What spec.bootstrap.restore leads to. */
  bootstrapSource: Resolution | undefined;
  /** How restore Jobs end: revision of what they restored, or the reason of their failure. */
  restoreResult: number | string = 100;
  /** Members whose HashKV differs from the others'. */
  readonly odd = new Set<string>();
  /** Nobody answers HashKV in time. */
  unhashed = false;
  /** Members that join never get to publish their names. */
  unpublished = false;
  #counter = 0;
  #resourceVersion = 1;

  constructor(name: string, spec: EtcdClusterSpec, badDigests = new Set<string>()) {
    this.badDigests = badDigests;
    this.cluster = {
      apiVersion,
      kind,
      metadata: { name, namespace: "ns", uid: "cr-1", generation: 1, resourceVersion: "1" },
      spec,
    };
  }

  next(prefix: string): string {
    this.#counter += 1;
    return `${prefix}${this.#counter}`;
  }

  edit(change: Partial<EtcdClusterSpec>): void {
    const { metadata, spec } = this.cluster;
    const generation = (metadata.generation ?? 0) + 1;
    this.#bump();
    this.cluster = {
      ...this.cluster,
      metadata: { ...this.cluster.metadata, generation },
      spec: Object.fromEntries(
        Object.entries({ ...spec, ...change }).filter(([, v]) => v !== null),
      ) as unknown as EtcdClusterSpec,
    };
  }

  setStatus(status: EtcdClusterStatus): void {
    this.#bump();
    this.cluster = { ...this.cluster, status };
  }

  #bump(): void {
    this.#resourceVersion += 1;
    const metadata = { ...this.cluster.metadata, resourceVersion: String(this.#resourceVersion) };
    this.cluster = { ...this.cluster, metadata };
  }

  get now(): string {
    return new Date(this.nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  }

  /** The present life's. */
  get peers(): Peer[] {
    return this.present.peers;
  }
  set peers(peers: Peer[]) {
    this.present.peers = peers;
  }
  get leader(): string | undefined {
    return this.present.leader;
  }
  set leader(leader: string | undefined) {
    this.present.leader = leader;
  }
  get present(): Life {
    return this.life(this.cluster.status?.clusterToken ?? "");
  }

  /** What had no token yet becomes the first token's. */
  life(token: string): Life {
    const known = this.lives.get(token);
    if (known !== undefined) return known;
    const nameless = this.lives.get("");
    this.lives.delete("");
    const life = nameless ?? { clusterId: `c${this.lives.size + 1}`, peers: [], leader: undefined };
    this.lives.set(token, life);
    return life;
  }

  /** The token of the life that this member's objects belong to. */
  tokenOf(member: string): string {
    const { clusterToken = "", transition } = this.cluster.status ?? {};
    if (member === transition?.seed) return transition.token;
    return this.volumes.get(member)?.token ?? clusterToken;
  }

  hasQuorum(life = this.present): boolean {
    const voters = life.peers.filter((p) => !p.learner);
    const up = voters.filter((p) => this.runs(this.nameOf(p)));
    return up.length > voters.length / 2;
  }

  runs(member: string): boolean {
    const pod = this.pods.get(member);
    return pod?.running === true && !pod.deleting;
  }

  nameOf(peer: Peer): string {
    return new URL(peer.peerUrl).hostname.split(".")[0]?.replace(/-0$/, "") ?? "";
  }

  observe(): Observed {
    const { clusterToken = "", transition } = this.cluster.status ?? {};
    const next = transition?.token === clusterToken ? undefined : transition?.token;
    const client = this.services.get(`${this.cluster.metadata.name}-client`);
    const peer = this.services.get(`${this.cluster.metadata.name}-peer`);
    return {
      cluster: this.cluster,
      ...(client ? { clientService: client } : {}),
      ...(peer ? { peerService: peer } : {}),
      ...(this.budget ? { budget: this.budget } : {}),
      ...this.#observeTls(),
      ...this.#observeLife((member) => this.tokenOf(member) !== next, clusterToken),
      ...(next === undefined
        ? {}
        : { next: this.#observeLife((member) => this.tokenOf(member) === next, next) }),
      foreignVolumes: [...this.volumes]
        .filter(([, v]) => !v.detached && v.token !== clusterToken && v.token !== next)
        .map(([member, v]) => ({
          ...{ name: v.claim, uid: v.uid, token: v.token, member },
          mayServe: v.joinOrder !== undefined,
          peerTls: v.joinOrder?.includes("https://") === true,
        })),
      ...this.#observeRequests(),
      keptVolumes: [...this.volumes.values()].filter((v) => v.detached && v.lost).length,
    };
  }

  #observeTls(): Pick<Observed, "tls"> {
    if (this.cluster.status?.tls === undefined) return {};
    // Certificates are read again when a Secret or what decides about their names has changed: reading is slow.
    const { spec, status, metadata } = this.cluster;
    const versions = [...this.secrets.values()].map((s) => s.metadata.resourceVersion);
    const key = JSON.stringify([versions, spec.tls, status.tls, metadata.uid]);
    if (this.#digested?.key !== key) {
      const secrets = digestSecrets(this.cluster, [...this.secrets.values()]);
      this.#digested = { key, secrets };
    }
    return { tls: { secrets: this.#digested.secrets, certificates: this.certificates } };
  }

  /** Members with TLS answer an operator that has its certificate. */
  #isHeard(): boolean {
    const own = this.secrets.get(operatorSecretName(this.cluster));
    return !hasTls(this.cluster, "client") || own !== undefined;
  }

  #observeRequests(): Pick<Observed, "request" | "bootstrapSource" | "hashes"> {
    const { clusterToken, clusterID, transition } = this.cluster.status ?? {};
    const { restore } = this.cluster.spec.bootstrap ?? {};
    const open = restore && clusterID === undefined ? this.bootstrapSource : undefined;
    const taken = this.request?.request === transition?.request;
    const growing = transition?.phase === "Growing" && transition.token === clusterToken;
    const names = this.peers.filter((p) => !p.learner).map((p) => this.nameOf(p));
    const byMember = new Map(names.map((name) => [name, this.odd.has(name) ? 2 : 1]));
    return {
      ...(open ? { bootstrapSource: open } : {}),
      ...(this.request && !taken ? { request: this.request } : {}),
      ...(growing && !this.unhashed
        ? { hashes: { revision: this.present.revision ?? 1, byMember } }
        : {}),
    };
  }

  #observeLife(belongs: (member: string) => boolean, token: string): ObservedLife {
    const life = this.life(token);
    const quorum = this.hasQuorum(life) && this.#isHeard();
    const ours = (v: VolumeState): boolean => !v.detached && v.token === token;
    const objects = [this.sets, this.pods, this.jobs, this.inspections];
    const names = new Set([
      ...[...this.volumes].filter(([, v]) => ours(v)).map(([n]) => n),
      ...objects.flatMap((map) => [...map.keys()]).filter(belongs),
      ...(quorum ? life.peers.map((p) => this.nameOf(p)) : []),
    ]);
    const live = quorum ? { clusterId: life.clusterId, peers: [...life.peers] } : undefined;
    return {
      members: [...names].sort().map((n) => this.#observeMember(n, life, ours)),
      ...(live ? { live } : {}),
    };
  }

  #observeMember(name: string, life: Life, ours: (v: VolumeState) => boolean): ObservedMember {
    const volume = this.volumes.get(name);
    const set = this.sets.get(name);
    const pod = this.pods.get(name);
    const job = this.jobs.get(name);
    const host = peerHostPort(`http://${memberHost(this.cluster, name)}:2380`);
    const peer = life.peers.find((p) => peerHostPort(p.peerUrl) === host);
    const inspection = this.inspections.get(name);
    const quorum = this.hasQuorum(life);
    const {
      deleting: _d,
      running: _r,
      ...podFacts
    } = pod ?? { uid: "", digest: "", restarts: 0, young: false };
    const observedPod: ObservedPod | undefined = pod && {
      ...podFacts,
      deleting: pod.deleting,
      ready: pod.running && quorum && peer?.learner === false,
      ip: "10.0.0.1",
    };
    const isHeard = this.#isHeard();
    const probe = pod?.running && peer && isHeard ? this.#probe(life, volume) : undefined;
    return {
      name,
      ...(volume && ours(volume) ? { volume: { name: volume.claim, ...volume, lost: false } } : {}),
      ...(set ? { statefulSet: { ...set, controlled: true, deleting: false } } : {}),
      ...(observedPod ? { pod: observedPod } : {}),
      ...(job
        ? {
            job: {
              uid: job.uid,
              digest: job.digest,
              state: job.done ? ("complete" as const) : ("running" as const),
              controlled: true,
              deleting: false,
              ...(job.source ? { source: job.source } : {}),
              ...(job.report ? { report: job.report } : {}),
            },
          }
        : {}),
      ...(inspection
        ? { inspect: { ...inspection, deleting: false, ...this.#found(inspection.state, volume) } }
        : {}),
      ...(quorum && peer && isHeard ? { peer } : {}),
      ...(probe ? { probe } : {}),
    };
  }

  #found(state: string, volume: VolumeState | undefined): Pick<ObservedInspection, "found"> {
    if (state !== "complete" || volume === undefined) return {};
    if (volume.data === undefined) {
      return { found: { error: { code: "empty", message: "holds no member" } } };
    }
    const clusterID = this.life(volume.token).clusterId;
    const flags = { commitIndex: 10, learner: false, removed: false };
    return { found: { ...logOf(volume), clusterID, ...flags } };
  }

  #probe(life: Life, volume: VolumeState | undefined): Probe {
    const leader = this.hasQuorum(life) ? life.leader : undefined;
    const log = volume === undefined ? {} : { log: logOf(volume) };
    const base = {
      ...log,
      version: "0.1.0",
      raftTerm: 2,
      raftIndex: 10,
      dbSizeBytes: 4096,
      errors: [],
      ...(life.revision === undefined ? {} : { revision: life.revision }),
    };
    return leader === undefined ? base : { ...base, leader };
  }

  /** Does a step; throws Refused where the real API would. */
  act(step: Step, readVersion: string | undefined): void {
    switch (step.kind) {
      case "latch": {
        if (readVersion !== this.cluster.metadata.resourceVersion) throw new Refused("stale");
        const status = { ...this.cluster.status, ...step.set };
        const kept = Object.entries(status).filter(([, v]) => v !== undefined);
        this.setStatus(Object.fromEntries(kept) as EtcdClusterStatus);
        return;
      }
      case "create":
        this.#create(step.object);
        return;
      case "apply":
        this.#apply(step.object, step.uid);
        return;
      case "secret":
        this.#changeSecret(step);
        return;
      case "patchVolume": {
        const found = [...this.volumes].find(([, v]) => v.uid === step.uid)?.[1];
        if (found === undefined) throw new Refused("no such volume");
        found.resourceVersion = this.next("v");
        if (step.change.kind === "joinOrder") found.joinOrder = step.change.joinOrder;
        if (step.change.kind === "detach") {
          found.detached = true;
          if (step.change.lost) found.lost = step.change.lost;
        }
        if (step.change.kind === "assign") this.#assign(found, step.change);
        if (step.change.kind === "grow") found.size = step.change.size;
        if (step.change.kind === "own") found.owned = step.change.owned;
        return;
      }
      case "delete":
        this.#delete(step.target, step.uid, step.resourceVersion);
        return;
      case "memberAdd": {
        this.#needQuorum();
        if (this.peers.some((p) => p.learner)) throw new Refused("too many learners");
        if (this.peers.some((p) => p.peerUrl === step.peerUrl)) throw new Refused("exists");
        const id = this.next("id");
        this.peers = [...this.peers, { id, name: "", peerUrl: step.peerUrl, learner: true }];
        return;
      }
      case "memberPromote": {
        this.#needQuorum();
        const peer = this.peers.find((p) => p.id === step.id);
        if (peer === undefined) throw new Refused("not found");
        if (!this.runs(this.nameOf(peer))) throw new Refused("not in sync");
        this.peers = this.peers.map((p) => (p === peer ? { ...p, learner: false } : p));
        return;
      }
      case "memberRemove":
        this.#needQuorum();
        if (step.id === this.leader && this.peers.length > 1) this.errors.push("removed leader");
        this.peers = this.peers.filter((p) => p.id !== step.id);
        this.#elect();
        return;
      case "moveLeader":
        this.#needQuorum();
        this.leader = step.id;
    }
  }

  #changeSecret({ change, uid, resourceVersion }: Extract<Step, { kind: "secret" }>): void {
    const live = this.secrets.get(change.secret);
    if (live?.metadata.uid !== uid) throw new Refused("uid");
    if (live?.metadata.resourceVersion !== resourceVersion) throw new Refused("changed");
    const name = otherSecret(change);
    const other = this.secrets.get(name ?? "");
    if (name !== undefined && other === undefined) throw new Refused("not found");
    try {
      this.putSecret(buildSecret(this.cluster, change, { live, other, nowMs: this.nowMs }));
    } catch (error) {
      if (/has changed/.test(String(error))) throw new Refused("changed");
      throw error;
    }
  }

  putSecret(secret: Secret): void {
    const { name, uid = this.next("secret") } = secret.metadata;
    const metadata = { ...secret.metadata, uid, resourceVersion: this.next("v") };
    this.secrets.set(name, { ...secret, metadata });
  }

  #assign(volume: VolumeState, to: { member: string; token: string; source: string }): void {
    const before = [...this.volumes].find(([, v]) => v === volume)?.[0] ?? "";
    this.volumes.delete(before);
    this.volumes.set(to.member, volume);
    Object.assign(volume, { token: to.token, source: to.source, role: "seed" });
    delete volume.joinOrder;
  }

  #needQuorum(): void {
    if (!this.hasQuorum()) throw new Refused("no quorum");
  }

  #create(object: KubeObject): void {
    const member = object.metadata.labels?.[labelMember] ?? "";
    if (object.kind === "PersistentVolumeClaim") {
      if (this.volumes.has(member)) throw new Refused("exists");
      const spec = object.spec as { resources: { requests: { storage: string } } };
      const source = object.metadata.annotations?.[annotationSource];
      this.volumes.set(member, {
        uid: this.next("pvc"),
        claim: object.metadata.name,
        resourceVersion: this.next("v"),
        role: object.metadata.annotations?.[annotationRole] as "seed" | "member",
        token: object.metadata.labels?.[labelToken] ?? "",
        size: spec.resources.requests.storage,
        owned: object.metadata.ownerReferences !== undefined,
        detached: false,
        deleting: false,
        ...(source ? { source } : {}),
      });
      return;
    }
    if (object.metadata.labels?.[labelComponent] === componentInspect) {
      if (this.inspections.has(member)) throw new Refused("exists");
      this.inspections.set(member, { uid: this.next("job"), state: "running" });
      return;
    }
    if (this.jobs.has(member)) throw new Refused("exists");
    const digest = object.metadata.annotations?.[annotationTemplate] ?? "";
    const source = object.metadata.annotations?.[annotationSource];
    const order = source === undefined ? {} : { source };
    const pod = (object as Job).spec?.template.spec;
    const command = (pod?.containers[0]?.args ?? []).slice(0, 2).join(" ");
    this.jobs.set(member, { uid: this.next("job"), digest, done: false, command, ...order });
  }

  #apply(object: KubeObject, uid: string | undefined): void {
    const { name } = object.metadata;
    if (object.kind === "StatefulSet") {
      const old = this.sets.get(name);
      if (uid !== undefined && old?.uid !== uid) throw new Refused("uid");
      const digest = object.metadata.annotations?.[annotationTemplate] ?? "";
      const args = JSON.stringify(object.spec);
      const joinOrder = /--initial-cluster=([^"]*)/.exec(args)?.[1] ?? "";
      this.sets.set(name, { uid: old?.uid ?? this.next("sts"), digest, joinOrder });
      return;
    }
    const stored = { ...object, metadata: { ...object.metadata, uid: uid ?? this.next("obj") } };
    if (object.kind === "Service") this.services.set(name, stored as Service);
    else if (object.kind === "Certificate") this.certificates.set(name, stored);
    else this.budget = stored as DisruptionBudget;
  }

  #delete(target: string, uid: string, resourceVersion?: string): void {
    const maps: Record<string, Map<string, { uid: string }>> = {
      Job: this.jobs,
      StatefulSet: this.sets,
      PersistentVolumeClaim: this.volumes,
    };
    if (target === "Pod") {
      const pod = [...this.pods.values()].find((p) => p.uid === uid);
      if (pod === undefined) throw new Refused("gone");
      pod.deleting = true;
      this.#elect();
      return;
    }
    const inspected = [...this.inspections].find(([, v]) => v.uid === uid)?.[0];
    if (target === "Job" && inspected !== undefined) {
      this.inspections.delete(inspected);
      return;
    }
    const map = maps[target];
    const found = [...(map ?? [])].find(([, v]) => v.uid === uid)?.[0];
    if (found === undefined) throw new Refused("gone");
    if (resourceVersion && this.volumes.get(found)?.resourceVersion !== resourceVersion) {
      throw new Refused("changed");
    }
    const volume = this.volumes.get(found);
    if (target === "PersistentVolumeClaim" && volume && this.pods.has(found))
      volume.deleting = true;
    else map?.delete(found);
    if (target === "StatefulSet") {
      const pod = this.pods.get(found);
      if (pod) pod.deleting = true;
    }
    this.#elect();
  }

  /** To be called when members stopped by another hand than the operator's. */
  elect(): void {
    this.#elect();
  }

  #elect(): void {
    for (const life of this.lives.values()) {
      const leader = life.peers.find((p) => p.id === life.leader);
      if (leader && !leader.learner && this.runs(this.nameOf(leader))) continue;
      const heir = life.peers.find((p) => !p.learner && this.runs(this.nameOf(p)));
      life.leader = this.hasQuorum(life) ? heir?.id : undefined;
    }
  }

  /** One turn of everybody else: pods end, appear and start, Jobs run. */
  turn(): void {
    if (this.frozen) return;
    for (const [name, pod] of this.pods) {
      if (pod.deleting && pod.unreachable === undefined) this.pods.delete(name);
    }
    for (const order of this.certificates.values()) {
      const { secretName } = order.spec as { secretName: string };
      if (!this.secrets.has(secretName)) this.putSecret(this.issuer.fulfil(order, this.nowMs));
    }
    for (const [name, volume] of this.volumes) {
      const pod = this.pods.get(name);
      const used = pod?.running === true || pod?.unreachable !== undefined;
      if (volume.deleting && !used) this.volumes.delete(name);
    }
    for (const [member, job] of this.jobs) {
      const volume = this.volumes.get(member);
      if (job.done || volume === undefined || this.badDigests.has(job.digest)) continue;
      if (job.command === "backup restore" && !this.#restore(job, volume)) continue;
      const isRecovery = job.command === "util force-new" && volume.forced !== volume.token;
      if (volume.data === undefined || isRecovery) {
        if (isRecovery) volume.forced = volume.token;
        volume.data = this.next("id");
        this.formed += 1;
      }
      job.done = true;
    }
    for (const [member, job] of this.inspections) {
      const volume = this.volumes.get(member);
      if (job.state !== "running" || volume === undefined || this.pods.has(member)) continue;
      job.state = volume.detachedFromNodes === true ? "failed" : "complete";
    }
    for (const [name, set] of this.sets) if (!this.pods.has(name)) this.#makePod(name, set);
    for (const [name, pod] of this.pods) {
      if (!pod.running && pod.unreachable === undefined) this.#start(name, pod);
    }
    this.#elect();
  }

  /** The restore Job's own work, before it fills the volume; false when it failed. */
  #restore(job: JobState, volume: VolumeState): boolean {
    const result = this.restoreResult;
    if (typeof result === "string") {
      const message = "The stored object is not what it should be.";
      job.report = { outcome: "Failed", reason: result, message, seconds: {} };
      return false;
    }
    const life = this.life(volume.token);
    life.revision = result;
    const ids = { clusterID: life.clusterId, memberID: "1", found: false };
    const restored = { revision: result, ...ids };
    job.report = { outcome: "Succeeded", message: "done", restored, seconds: {} };
    return true;
  }

  #makePod(name: string, set: SetState): void {
    this.pods.set(name, {
      uid: this.next("pod"),
      digest: set.digest,
      running: false,
      deleting: false,
      restarts: 0,
      young: false,
    });
  }

  #start(name: string, pod: PodState): void {
    const volume = this.volumes.get(name);
    if (this.badDigests.has(pod.digest)) pod.stuck = "ImagePullBackOff";
    else if (volume === undefined) pod.stuck = "Unschedulable";
    else if (volume.damage !== undefined) this.#end(pod, volume.damage);
    else if (volume.data === undefined) this.#joinCluster(name, pod, volume);
    else {
      delete pod.stuck;
      delete pod.exit;
      pod.running = true;
      const peerUrl = `http://${memberHost(this.cluster, name)}:2380`;
      const life = this.life(volume.token);
      const known = life.peers.some((p) =>
        [...this.volumes.values()].some((v) => v.data === p.id && !v.detached),
      );
      if (volume.role === "seed" && !known) {
        life.peers = [{ id: volume.data, name, peerUrl, learner: false }];
      }
      if (!life.peers.some((p) => p.id === volume.data)) {
        pod.running = false;
        this.#end(pod, 71);
      }
    }
  }

  #end(pod: PodState, code: number): void {
    pod.stuck = "CrashLoopBackOff";
    pod.restarts += 3;
    pod.exit = { code, message: "", running: false };
  }

  /** An empty member may only enter a cluster that has added it and that it was told of. */
  #joinCluster(name: string, pod: PodState, volume: VolumeState): void {
    const me = this.peers.find((p) => this.nameOf(p) === name && p.name === "");
    const order = this.sets.get(name)?.joinOrder ?? "";
    const known = this.peers.filter((p) => p.name !== "" && order.includes(p.peerUrl));
    // As etcd has it: who is told of fewer or more members than there are does not start.
    const isWhole =
      order.split(",").length === this.peers.length &&
      this.peers.every((p) => order.includes(p.peerUrl));
    if (me === undefined || known.length === 0 || !isWhole) {
      // A seed's order names itself alone: it has nobody to ask.
      const isKnown = this.peers.some((p) => this.nameOf(p) === name && p.name !== "");
      this.#end(pod, isKnown && known.some((p) => p.name !== name) ? 76 : 70);
      return;
    }
    volume.data = me.id;
    delete pod.stuck;
    delete pod.exit;
    pod.running = true;
    if (this.unpublished) return;
    this.peers = this.peers.map((p) => (p === me ? { ...p, name } : p));
  }
}

const logOf = (volume: VolumeState) => ({
  ...(volume.log ?? { lastLogTerm: 2, lastLogIndex: 10 }),
  revision: (volume.log?.lastLogIndex ?? 10) - 5,
});

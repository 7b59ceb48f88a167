/**
 * Stands in for nodes and members above a real API server: it says of pods what a kubelet would,
 * and answers the operator's questions as etcd would. StatefulSets, Jobs and garbage collection
 * are the real controllers' work.
 */
import type {
  ChangeResult,
  EtcdAdmin,
  EtcdMemberList,
  EtcdStatus,
} from "../../src/operator/etcd/index.ts";
import { labelComponent, labelMember } from "../../src/operator/resources/index.ts";
import { type KubeApi, resources } from "../../src/operator/runtime/index.ts";
import type { Pod } from "../../src/operator/types/index.ts";

interface Member {
  readonly id: string;
  name: string;
  readonly peerUrl: string;
  learner: boolean;
}

const memberName = (pod: Pod): string => pod.metadata.labels?.[labelMember] ?? "";
const flag = (pod: Pod, name: string): string =>
  pod.spec?.containers[0]?.args?.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3) ??
  "";

/** One world of etcd: clusters by initial-cluster-token. */
export class FakeEtcd implements EtcdAdmin {
  readonly clusters = new Map<string, { members: Member[]; leader: string | undefined }>();
  /** Member id by volume and the pods that run, with their cluster's token. */
  readonly data = new Map<string, { id: string; token: string }>();
  readonly running = new Map<string, { podUid: string; token: string }>();
  formed = 0;
  /** Order in which members were started, restarts included. */
  readonly starts: string[] = [];
  readonly moves: string[] = [];
  #ids = 0;

  secure(): void {}

  /** What `quoin util init` does. */
  init(pod: Pod): void {
    const member = memberName(pod);
    if (this.data.has(member)) return;
    const token = flag(pod, "initial-cluster-token");
    this.formed += 1;
    this.#ids += 1;
    const id = `a${this.#ids}`;
    const peerUrl = flag(pod, "initial-advertise-peer-urls");
    this.data.set(member, { id, token });
    this.clusters.set(token, {
      members: [{ id, name: member, peerUrl, learner: false }],
      leader: undefined,
    });
  }

  /** What `quoin server` does; returns why it ends, or undefined when it runs. */
  start(pod: Pod): string | undefined {
    const member = memberName(pod);
    const token = flag(pod, "initial-cluster-token");
    const cluster = this.clusters.get(token);
    let data = this.data.get(member);
    if (data === undefined) {
      const me = cluster?.members.find(
        (m) => m.name === "" && m.peerUrl === flag(pod, "initial-advertise-peer-urls"),
      );
      if (me === undefined) return "no data and no join order";
      me.name = member;
      data = { id: me.id, token };
      this.data.set(member, data);
    }
    if (!cluster?.members.some((m) => m.id === data.id)) return "removed from the cluster";
    this.running.set(member, { podUid: pod.metadata.uid ?? "", token });
    this.starts.push(member);
    this.elect(token);
    return undefined;
  }

  stop(member: string): void {
    const run = this.running.get(member);
    this.running.delete(member);
    if (run) this.elect(run.token);
  }

  elect(token: string): void {
    const cluster = this.clusters.get(token);
    if (cluster === undefined) return;
    const up = cluster.members.filter((m) => !m.learner && this.running.has(m.name));
    const voters = cluster.members.filter((m) => !m.learner);
    const quorum = up.length > voters.length / 2;
    if (!quorum) cluster.leader = undefined;
    else if (!up.some((m) => m.id === cluster.leader)) cluster.leader = up[0]?.id;
  }

  isVoter(member: string): boolean {
    const token = this.running.get(member)?.token ?? "";
    const found = this.clusters.get(token)?.members.find((m) => m.name === member);
    return found?.learner === false && this.clusters.get(token)?.leader !== undefined;
  }

  #of(endpoint: string): {
    members: Member[];
    leader: string | undefined;
    token: string;
    name: string;
  } {
    const name = new URL(endpoint).hostname;
    const token = this.running.get(name)?.token;
    const cluster = token === undefined ? undefined : this.clusters.get(token);
    if (token === undefined || cluster === undefined) throw new Error(`${name} is silent`);
    return { ...cluster, token, name };
  }

  #led(endpoint: string): { members: Member[]; leader: string | undefined } {
    const { leader, token } = this.#of(endpoint);
    if (leader === undefined) throw new Error("etcdserver: no leader");
    return this.clusters.get(token) as { members: Member[]; leader: string | undefined };
  }

  async status(endpoint: string): Promise<EtcdStatus> {
    const { members, leader, token, name } = this.#of(endpoint);
    const me = members.find((m) => m.name === name);
    return {
      clusterId: `c${token}`,
      memberId: me?.id ?? "0",
      ...(leader ? { leader } : {}),
      learner: me?.learner ?? false,
      version: "0.1.0",
      raftTerm: 2,
      raftIndex: 7,
      revision: 7,
      dbSizeBytes: 4096,
      errors: [],
    };
  }

  async memberList(endpoint: string): Promise<EtcdMemberList> {
    const { members } = this.#led(endpoint);
    const list = members.map(({ peerUrl, ...m }) => ({ ...m, peerUrls: [peerUrl] }));
    return { clusterId: `c${this.#of(endpoint).token}`, members: list };
  }

  async memberAddLearner(endpoint: string, peerUrl: string): Promise<ChangeResult> {
    const cluster = this.#led(endpoint);
    if (cluster.members.some((m) => m.peerUrl === peerUrl)) return "done";
    if (cluster.members.some((m) => m.learner)) throw new Error("etcdserver: too many learners");
    this.#ids += 1;
    cluster.members.push({ id: `a${this.#ids}`, name: "", peerUrl, learner: true });
    return "done";
  }

  async hashKV(endpoint: string): Promise<number> {
    this.#of(endpoint);
    return 7;
  }

  async memberPromote(endpoint: string, id: string): Promise<ChangeResult> {
    const member = this.#led(endpoint).members.find((m) => m.id === id);
    if (member === undefined) throw new Error("etcdserver: member not found");
    if (!this.running.has(member.name)) return "notYet";
    member.learner = false;
    return "done";
  }

  async memberRemove(endpoint: string, id: string): Promise<ChangeResult> {
    const { token } = this.#of(endpoint);
    const cluster = this.#led(endpoint);
    cluster.members = cluster.members.filter((m) => m.id !== id);
    this.elect(token);
    return "done";
  }

  async moveLeader(endpoint: string, id: string): Promise<void> {
    const { name } = this.#of(endpoint);
    const cluster = this.#led(endpoint);
    if (cluster.members.find((m) => m.name === name)?.id !== cluster.leader) {
      throw new Error("etcdserver: not leader");
    }
    this.moves.push(`${name} -> ${cluster.members.find((m) => m.id === id)?.name}`);
    cluster.leader = id;
  }

  tidy(): void {}
  close(): void {}
}

/** The client has no pod status: nobody but a kubelet writes it. */
const statusOfPods = { ...resources.pods, subresource: "status" };

/** Tells the API server about pods until the signal is aborted. */
export async function runKubelet(api: KubeApi, etcd: FakeEtcd, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const { items } = await api.list<Pod>(resources.pods, { signal });
      const alive = new Set(items.map((p) => p.metadata.uid));
      for (const [member, run] of etcd.running) if (!alive.has(run.podUid)) etcd.stop(member);
      for (const pod of items) await tell(api, etcd, pod);
    } catch {
      // The API server may be down on purpose.
    }
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

export interface Ending {
  readonly exitCode: number;
  readonly message: string;
}

/** How pods of Jobs end, by their component; undefined: the pod goes on. */
export const endings = new Map<string, (pod: Pod) => Ending | undefined>();

const succeeds = (): Ending => ({ exitCode: 0, message: "" });

async function tell(api: KubeApi, etcd: FakeEtcd, pod: Pod): Promise<void> {
  const { namespace = "", name } = pod.metadata;
  const write = (status: object): Promise<unknown> =>
    api.patch(statusOfPods, namespace, name, { status });
  if (pod.metadata.labels?.[labelComponent] === "seed-job") {
    const { phase } = pod.status ?? {};
    if (phase === "Succeeded" || phase === "Failed") return;
    const ending = (endings.get("seed-job") ?? succeeds)(pod);
    if (ending?.exitCode === 0) etcd.init(pod);
    return finish(pod, ending, write);
  }
  const end = endings.get(pod.metadata.labels?.[labelComponent] ?? "");
  if (end !== undefined) return finish(pod, end(pod), write);
  const member = memberName(pod);
  const bad = pod.spec?.containers[0]?.image?.endsWith(":wrong");
  const why = bad ? "image" : isRunning(etcd, pod) ? undefined : etcd.start(pod);
  const ready = why === undefined && etcd.isVoter(member);
  const wanted = why === undefined ? `Running/${ready}` : `Pending/${why}`;
  if (pod.metadata.annotations?.["test/told"] === wanted) return;
  await api.patch(resources.pods, namespace, name, {
    metadata: { annotations: { "test/told": wanted } },
  });
  await write({
    phase: why === undefined ? "Running" : "Pending",
    podIP: "127.0.0.1",
    conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    containerStatuses: [
      {
        name: "quoin",
        image: "x",
        imageID: "x",
        ready,
        restartCount: 0,
        state:
          why === undefined
            ? { running: {} }
            : { waiting: { reason: bad ? "ImagePullBackOff" : "CrashLoopBackOff", message: why } },
      },
    ],
  });
}

async function finish(
  pod: Pod,
  ending: Ending | undefined,
  write: (status: object) => Promise<unknown>,
): Promise<void> {
  const { phase } = pod.status ?? {};
  if (phase === "Succeeded" || phase === "Failed") return;
  if (ending === undefined && phase === "Running") return;
  const container = { name: "quoin", image: "x", imageID: "x", ready: false, restartCount: 0 };
  const state = ending === undefined ? { running: {} } : { terminated: ending };
  const ended = ending?.exitCode === 0 ? "Succeeded" : "Failed";
  await write({
    phase: ending === undefined ? "Running" : ended,
    containerStatuses: [{ ...container, state }],
  });
}

const isRunning = (etcd: FakeEtcd, pod: Pod): boolean =>
  etcd.running.get(memberName(pod))?.podUid === pod.metadata.uid;

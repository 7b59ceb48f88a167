/** Several members in this process: real files, messages handed from one to the other. */
import { join } from "node:path";
import {
  decodeMembers,
  membersJson,
  parseInitialCluster,
} from "../../src/core/membership/index.ts";
import { type Message, MessageType } from "../../src/core/raft/index.ts";
import type { MemberId } from "../../src/core/types.ts";
import {
  type AskPeer,
  boot,
  Member,
  type MemberOptions,
  type MemberPorts,
  memberRoutes,
  type Transport,
  type TransportHandler,
} from "../../src/server/index.ts";
import { memberOptions, memberPorts } from "./rig.ts";

/** Carries messages between the members; who is cut off neither sends nor receives. */
export class Wires {
  readonly #handlers = new Map<MemberId, TransportHandler>();
  readonly #members = new Map<string, Member>();
  readonly cutOff = new Set<MemberId>();
  /** A message for which this is false is lost. */
  delivers: (m: Message) => boolean = () => true;
  /** Peers of each member as it has told its transport. */
  readonly peers = new Map<MemberId, Map<MemberId, string>>();

  transport(self: MemberId, handler: TransportHandler): Transport {
    this.#handlers.set(self, handler);
    const peers = new Map<MemberId, string>();
    this.peers.set(self, peers);
    return {
      addPeer: (id, urls) => void (peers.has(id) || peers.set(id, urls.join())),
      updatePeer: (id, urls) => void (peers.has(id) && peers.set(id, urls.join())),
      removePeer: (id) => void peers.delete(id),
      addRemote: () => undefined,
      activeSince: (id) => (this.#handlers.has(id) && !this.cutOff.has(id) ? -1e9 : undefined),
      send: (messages) => {
        for (const m of messages) setImmediate(() => this.#deliver(self, m));
      },
    };
  }

  register(url: string, member: Member): void {
    this.#members.set(url, member);
  }

  forget(member: Member): void {
    this.#handlers.delete(member.id);
  }

  memberAt(url: string): Member | undefined {
    const member = this.#members.get(url);
    return member !== undefined && this.#handlers.has(member.id) ? member : undefined;
  }

  #deliver(from: MemberId, m: Message): void {
    const to = this.#handlers.get(m.to);
    const sender = this.#handlers.get(from);
    if (to === undefined || sender === undefined) return;
    const lost = this.cutOff.has(from) || this.cutOff.has(m.to) || !this.delivers(m);
    if (m.type !== MessageType.MsgSnap) {
      if (!lost) to.onMessages([m]);
      return;
    }
    const sent = lost ? Promise.reject(new Error("cut off")) : carry(m, sender, to);
    sent.then(
      () => sender.onSnapshotSent(m.to, true),
      () => sender.onSnapshotSent(m.to, false),
    );
  }

  askPeer(self: () => MemberId | undefined): AskPeer {
    return async (url, question) => {
      const member = this.memberAt(url);
      const from = self();
      const lost = from !== undefined && this.cutOff.has(from);
      if (member === undefined || lost || this.cutOff.has(member.id)) throw new Error("no answer");
      const routes = memberRoutes(member);
      const body = question.body ?? new Uint8Array(0);
      const promoted = /^\/members\/promote\/(\d+)$/.exec(question.path)?.[1];
      const answer =
        promoted !== undefined
          ? await routes.promote(BigInt(promoted) as MemberId)
          : await (question.path === "/leases"
              ? routes.leases({ body })
              : question.path === "/members/hashkv"
                ? routes.hashKv({ body })
                : question.path === "/version"
                  ? routes.version()
                  : routes.leasesInternal({ body }));
      return { status: answer.status, body: Buffer.from(answer.body) };
    };
  }
}

async function carry(m: Message, from: TransportHandler, to: TransportHandler): Promise<void> {
  const snapshot = await from.openSnapshot(m);
  try {
    await to.receiveSnapshot(snapshot.message, snapshot.chunks);
    to.onMessages([snapshot.message]);
  } finally {
    await snapshot.close();
  }
}

const urlOf = (i: number): string => `http://127.0.0.1:${i}`;
const nameOf = (i: number): string => `m${i}`;

/** A cluster whose members are started one by one. */
export class TestCluster {
  readonly wires = new Wires();
  readonly #dir: string;
  readonly #change: Partial<MemberOptions>;
  readonly running: Member[] = [];

  constructor(dir: string, change: Partial<MemberOptions> = {}) {
    this.#dir = dir;
    this.#change = change;
  }

  /** Members 1 to `size`, as one new cluster, when they have a leader and know each other. */
  async form(size: number): Promise<Member[]> {
    const all = Array.from({ length: size }, (_, i) => i + 1);
    const members = await Promise.all(all.map((i) => this.start(i, all, "new")));
    await Promise.all(members.map((m) => ready(m)));
    return members;
  }

  /** Boots member `i` (numbers are ports of its peer URL); it runs when this resolves. */
  async start(
    i: number,
    all: readonly number[],
    state: "new" | "existing",
    change: Partial<MemberPorts> = {},
  ): Promise<Member> {
    const initial = parseInitialCluster(all.map((n) => `${nameOf(n)}=${urlOf(n)}`).join());
    if (!initial.ok) throw new Error(initial.error);
    const options = memberOptions(join(this.#dir, nameOf(i)), {
      name: nameOf(i),
      initialCluster: initial.value,
      initialClusterState: state,
      initialAdvertisePeerUrls: [urlOf(i)],
      strictReconfigCheck: false,
      ...this.#change,
    });
    let self: MemberId | undefined;
    const ports: MemberPorts = memberPorts({
      createTransport: (ids, handler) => {
        self = ids.memberId;
        return this.wires.transport(ids.memberId, handler);
      },
      askPeer: this.wires.askPeer(() => self),
      fetchMembers: async (urls) => {
        const member = urls.map((u) => this.wires.memberAt(u)).find((m) => m !== undefined);
        if (member === undefined) throw new Error("nobody answers");
        const body = Buffer.from(membersJson(member.members()));
        if (decodeMembers(body) === undefined) throw new Error("unreadable");
        return { clusterId: member.clusterId, body };
      },
      ...change,
    });
    const member = new Member(options, ports, await boot(options, ports));
    this.wires.register(urlOf(i), member);
    this.running.push(member);
    member.start();
    return member;
  }

  async stop(member: Member): Promise<void> {
    this.wires.forget(member);
    this.running.splice(this.running.indexOf(member), 1);
    await member.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of [...this.running]) await this.stop(member);
  }
}

const ready = (member: Member): Promise<void> =>
  new Promise((resolve) => member.whenReady(resolve));

/** A promise instead of a callback. */
export function answer<T>(
  f: (reply: (error: Error | undefined, value?: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    f((error, value) => (error === undefined ? resolve(value as T) : reject(error)));
  });
}

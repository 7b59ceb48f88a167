/**
 * Connections of simulated members: Raft messages as bytes in the order of their link, snapshots
 * through openSnapshot and receiveSnapshot, questions on the peer port. Plays src/peer's part.
 */
import { type Message, MessageType } from "../../../src/core/raft/types.ts";
import { type ClusterId, type MemberId, noMember } from "../../../src/core/types.ts";
import { raftpb } from "../../../src/proto/index.ts";
import type { AskPeer, Transport, TransportHandler } from "../../../src/server/index.ts";
import { show } from "../l1/cluster.ts";
import type { SimNetwork } from "../ports/network.ts";
import type { SimRandom } from "../random.ts";
import type { Actor, World } from "../world.ts";

export type Packet =
  | {
      readonly kind: "raft";
      readonly from: MemberId;
      readonly fromSlot: number;
      readonly to: MemberId;
      readonly bytes: Uint8Array;
    }
  /** The sender of what we got was removed. */
  | { readonly kind: "gone"; readonly to: MemberId }
  | Question
  | { readonly kind: "answer"; readonly call: number; readonly answer: Answer };

interface Question {
  readonly kind: "ask";
  readonly call: number;
  readonly path: string;
  readonly body: Uint8Array;
  /** With a snapshot: its MsgSnap, and the file. */
  readonly chunks?: readonly Uint8Array[];
  readonly from?: MemberId;
}

export interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
  readonly clusterId?: ClusterId;
}

/** Snapshots and questions have connections of their own, beside the streams. */
export const sideLine = 100;

export const urlOf = (slot: number): string => `http://m${slot}:2380`;
const slotOf = (url: string): number => Number(/m(\d+)/.exec(url)?.[1]);

export interface WireOptions {
  readonly world: World;
  readonly network: SimNetwork<Packet>;
  readonly actor: Actor;
  readonly slot: number;
  readonly random: SimRandom;
  readonly calm: () => boolean;
  /** Virtual time (us) since when a process answers; undefined while it does not. */
  readonly upSince: (slot: number) => number | undefined;
  readonly nowMs: () => number;
  /** Answers a question of another member on the peer port. */
  readonly route: (path: string, body: Uint8Array) => Promise<Answer> | undefined;
}

/** Everything one process has on the network. */
export class Wire implements Transport {
  readonly #o: WireOptions;
  readonly #peers = new Map<MemberId, { slot: number; since: number }>();
  readonly #remotes = new Map<MemberId, number>();
  readonly #calls = new Map<number, (answer: Answer) => void>();
  #nextCall = 1;
  #handler: TransportHandler | undefined;
  #self: MemberId = noMember;

  constructor(options: WireOptions) {
    this.#o = options;
    const { network, slot, actor } = options;
    network.attach(slot, actor, (p) => this.#arrived(p, slot));
    network.attach(slot + sideLine, actor, (p) => this.#arrived(p, slot));
  }

  bind(self: MemberId, handler: TransportHandler): this {
    this.#self = self;
    this.#handler = handler;
    return this;
  }

  addPeer(id: MemberId, urls: readonly string[]): void {
    if (this.#peers.has(id) || id === this.#self) return;
    this.#remotes.delete(id);
    this.#peers.set(id, { slot: slotOf(urls[0] ?? ""), since: this.#o.nowMs() });
  }

  updatePeer(): void {}

  removePeer(id: MemberId): void {
    this.#peers.delete(id);
    this.#remotes.delete(id);
  }

  addRemote(id: MemberId, urls: readonly string[]): void {
    if (this.#peers.has(id) || id === this.#self) return;
    this.#remotes.set(id, slotOf(urls[0] ?? ""));
  }

  /** Also while the streams are quiet: what the real transport's open connections tell. */
  activeSince(id: MemberId): number | undefined {
    const peer = this.#peers.get(id);
    const { network, slot, upSince } = this.#o;
    if (peer === undefined || upSince(peer.slot) === undefined) return undefined;
    if (network.isCut(slot, peer.slot) || network.isCut(peer.slot, slot)) return undefined;
    return peer.since;
  }

  send(messages: readonly Message[]): void {
    if (this.#o.actor.dead) return;
    for (const m of messages) {
      const to = this.#peers.get(m.to)?.slot ?? this.#remotes.get(m.to);
      if (to === undefined) continue;
      if (m.type === MessageType.MsgSnap) this.#sendSnapshot(m, to);
      else this.#sendMessage(m, to);
    }
  }

  /** The process of a peer is gone, and its kernel has closed the connections. */
  peerDied(slot: number): void {
    for (const [id, peer] of this.#peers) {
      if (peer.slot === slot) this.#handler?.onStreamLost(id);
    }
  }

  readonly ask: AskPeer = (url, question) => {
    const { body, path, timeoutMs } = question;
    return this.#call(slotOf(url), { path, body: body ?? new Uint8Array(0) }, timeoutMs);
  };

  readonly fetchMembers = async (
    urls: readonly string[],
  ): Promise<{ clusterId: ClusterId; body: Uint8Array }> => {
    for (const url of urls) {
      const question = { path: "/members", body: new Uint8Array(0) };
      const answer = await this.#call(slotOf(url), question, 1000).catch(() => undefined);
      if (answer?.status !== 200 || answer.clusterId === undefined) continue;
      return { clusterId: answer.clusterId, body: answer.body };
    }
    throw new Error("nobody answers");
  };

  #sendMessage(m: Message, to: number): void {
    const { network, slot, world, actor, random } = this.#o;
    const bytes = encode(m);
    const packet: Packet = { kind: "raft", from: this.#self, fromSlot: slot, to: m.to, bytes };
    const once = m.type === MessageType.MsgProp;
    if (network.send(slot, to, packet, () => show(m), 0, once) || !random.chance(50)) return;
    world.after(500, actor, "unreachable", () => this.#handler?.onUnreachable(m.to));
  }

  #sendSnapshot(m: Message, to: number): void {
    this.#transfer(m, to).then(
      (ok) => this.#handler?.onSnapshotSent(m.to, ok),
      () => this.#handler?.onSnapshotSent(m.to, false),
    );
  }

  async #transfer(m: Message, to: number): Promise<boolean> {
    const handler = this.#handler as TransportHandler;
    const out = await handler.openSnapshot(m);
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of out.chunks) chunks.push(chunk.slice());
      const size = chunks.reduce((n, c) => n + c.byteLength, 0);
      if (size !== out.sizeBytes) throw new Error(`a file of ${size}, not ${out.sizeBytes} bytes`);
      const question = { path: "/raft/snapshot", body: encode(out.message), chunks };
      const answer = await this.#call(to, { ...question, from: this.#self }, 5000);
      return answer.status === 200;
    } finally {
      await out.close();
    }
  }

  #call(to: number, q: Omit<Question, "kind" | "call">, timeoutMs: number): Promise<Answer> {
    const { network, slot, world, actor, random, calm } = this.#o;
    const call = this.#nextCall++;
    return new Promise((resolve, reject) => {
      const fail = () => {
        this.#calls.delete(call);
        reject(new Error("no answer"));
      };
      const cancel = world.after(timeoutMs * 1000, actor, "call timed out", fail);
      this.#calls.set(call, (answer) => {
        cancel();
        this.#calls.delete(call);
        resolve(answer);
      });
      const from = slot + sideLine;
      const extraUs = q.chunks !== undefined && !calm() ? random.below(100_000) : 0;
      const packet: Packet = { ...q, kind: "ask", call: slot * 1e6 + call };
      // A message that is lost here is a connection that breaks: the caller hears of it.
      if (network.send(from, to + sideLine, packet, () => `ask ${q.path}`, extraUs, true)) return;
      cancel();
      world.after(1_000, actor, "connection broke", fail);
    });
  }

  #arrived(packet: Packet, slot: number): void {
    if (packet.kind === "raft") this.#raft(packet);
    else if (packet.kind === "gone") {
      if (packet.to === this.#self) this.#handler?.onRemoved();
    } else if (packet.kind === "answer") this.#calls.get(packet.call % 1e6)?.(packet.answer);
    else this.#answer(packet, slot);
  }

  #raft(packet: Extract<Packet, { kind: "raft" }>): void {
    const handler = this.#handler;
    if (handler === undefined || packet.to !== this.#self) return;
    if (handler.isRemoved(packet.from)) {
      const { network, slot } = this.#o;
      const gone: Packet = { kind: "gone", to: packet.from };
      network.send(slot, packet.fromSlot, gone, () => "gone");
      return;
    }
    this.addRemote(packet.from, [urlOf(packet.fromSlot)]);
    handler.onMessages([raftpb.decodeMessage(packet.bytes) as Message]);
  }

  /** Calls are numbered per caller; the caller's slot is in front. */
  #answer(q: Question, slot: number): void {
    const { network, world, actor } = this.#o;
    const caller = Math.floor(q.call / 1e6);
    const reply = (answer: Answer) => {
      if (actor.dead) return;
      const packet: Packet = { kind: "answer", call: q.call, answer };
      network.send(slot + sideLine, caller + sideLine, packet, () => "answer", 0, true);
    };
    const work =
      q.chunks === undefined
        ? this.#o.route(q.path, q.body)
        : this.#receive(q, () => new Promise<void>((f) => world.after(200, actor, "chunk", f)));
    if (work === undefined) reply({ status: 503, body: new Uint8Array(0) });
    else work.then(reply, () => reply({ status: 500, body: new Uint8Array(0) }));
  }

  async #receive(q: Question, pause: () => Promise<void>): Promise<Answer> {
    const handler = this.#handler;
    const message = raftpb.decodeMessage(q.body) as Message;
    const none = new Uint8Array(0);
    if (handler === undefined || message.to !== this.#self) return { status: 412, body: none };
    if (q.from !== undefined && handler.isRemoved(q.from)) return { status: 410, body: none };
    const breaks = !this.#o.calm() && this.#o.random.chance(15);
    async function* body(): AsyncGenerator<Uint8Array> {
      let n = 0;
      for (const chunk of q.chunks ?? []) {
        await pause();
        if (breaks && ++n > 1) throw new Error("the sender broke off");
        yield chunk;
      }
    }
    await handler.receiveSnapshot(message, body());
    handler.onMessages([message]);
    return { status: 200, body: none };
  }
}

const encode = (m: Message): Uint8Array =>
  raftpb.encodeMessage(m as Parameters<typeof raftpb.encodeMessage>[0]).slice();

import type { Message } from "../../src/core/raft/index.ts";
import type { ClusterId, Index, MemberId, Term } from "../../src/core/types.ts";
import { clusterId, memberId } from "../../src/core/types.ts";
import { createClock } from "../../src/io/index.ts";
import {
  type OutgoingSnapshot,
  type PeerHandler,
  PeerListener,
  type PeerRoutes,
  Transport,
  type TransportOptions,
} from "../../src/peer/index.ts";
import type { Logger } from "../../src/ports/index.ts";
import { raftpb } from "../../src/proto/index.ts";
import { until } from "../until.ts";

export const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quiet,
};

/** One member's transport with a recording handler, listening on loopback. */
export class Rig {
  readonly id: MemberId;
  readonly got: Message[] = [];
  readonly unreachable: MemberId[] = [];
  readonly snapshotsSent: boolean[] = [];
  readonly received: { message: Message; bytes: Buffer }[] = [];
  readonly lost: MemberId[] = [];
  batches = 0;
  removedCalls = 0;
  removedIds = new Set<MemberId>();
  outgoing: ((m: Message) => Promise<OutgoingSnapshot>) | undefined;
  url = "";
  readonly transport: Transport;
  readonly #listener: PeerListener;

  constructor(
    id: MemberId,
    cluster: ClusterId,
    peerURLs: readonly string[] = [],
    more: Partial<TransportOptions> & { routes?: PeerRoutes; version?: string } = {},
  ) {
    this.id = id;
    const { routes = {}, version = "3.7.3", ...options } = more;
    const identity = {
      localId: id,
      clusterId: cluster,
      peerURLs,
      serverVersion: version,
      minClusterVersion: "3.0.0",
    };
    this.transport = new Transport({
      identity,
      handler: this.#handler(),
      clock: createClock(),
      logger: quiet,
      ...options,
    });
    const { transport } = this;
    const clock = createClock();
    this.#listener = new PeerListener({
      clusterId: cluster,
      transport,
      routes,
      clock,
      logger: quiet,
    });
  }

  async listen(url = "http://127.0.0.1:0"): Promise<this> {
    await this.#listener.listen([url]);
    this.url = `http://${this.#listener.addresses()[0]}`;
    return this;
  }

  /** Closes only the port and its connections, as a dying process would. */
  closePort(): Promise<void> {
    return this.#listener.close();
  }

  async close(): Promise<void> {
    this.transport.close();
    await this.#listener.close();
  }

  #handler(): PeerHandler {
    return {
      onMessages: (messages) => {
        this.batches++;
        this.got.push(...messages);
      },
      isRemoved: (id) => this.removedIds.has(id),
      onUnreachable: (id) => this.unreachable.push(id),
      onSnapshotSent: (_id, ok) => this.snapshotsSent.push(ok),
      openSnapshot: (m) =>
        this.outgoing === undefined ? Promise.reject(new Error("none")) : this.outgoing(m),
      receiveSnapshot: async (message, body) => {
        const parts: Uint8Array[] = [];
        for await (const part of body) parts.push(part);
        this.received.push({ message, bytes: Buffer.concat(parts) });
      },
      onRemoved: () => {
        this.removedCalls++;
      },
      onStreamLost: (id) => this.lost.push(id),
    };
  }
}

export const testCluster = clusterId(0xcafen);
export const one = memberId(0x8000000000000001n);
export const two = memberId(2n);

/** Two rigs that know each other, streams up in both directions. */
export async function pair(): Promise<[Rig, Rig]> {
  const a = await new Rig(one, testCluster).listen();
  const b = await new Rig(two, testCluster).listen();
  a.transport.addPeer(two, [b.url]);
  b.transport.addPeer(one, [a.url]);
  await holds(() => a.transport.activePeers() === 1 && b.transport.activePeers() === 1);
  return [a, b];
}

export function message(m: Partial<Message>): Message {
  return raftpb.newMessage(m) as Message;
}

export function entries(from: number, count: number, term: number, bytes = 10): raftpb.Entry[] {
  return Array.from({ length: count }, (_, i) => ({
    type: 0,
    term: term as Term,
    index: (from + i) as Index,
    data: Buffer.alloc(bytes, from + i),
  }));
}

/** Waits for a condition, looking again every few milliseconds. */
export const holds = (condition: () => boolean): Promise<true> =>
  until(String(condition), condition);

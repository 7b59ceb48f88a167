import type { IncomingMessage, ServerResponse } from "node:http";
import type { Message } from "../core/raft/index.ts";
import type { MemberId } from "../core/types.ts";
import { hexId, noMember } from "../core/types.ts";
import { Peer, type PeerEvents, Remote } from "./peer.ts";
import { Receiver } from "./receiver.ts";
import { fillSettings, type Settings } from "./settings.ts";
import type { TransportOptions } from "./types.ts";

/** Members known by hearsay; beyond this number the sender's headers are not believed. */
const remotesMax = 64;

/**
 * Sends and receives Raft messages. Nothing here blocks or throws for a network's failure: what
 * cannot be sent is dropped and reported. One instance per member; dialling starts with addPeer.
 * Received messages are handed over once per turn of the loop, after all sockets were read.
 */
export class Transport {
  readonly #settings: Settings;
  readonly #receiver: Receiver;
  readonly #events: PeerEvents;
  readonly #peers = new Map<MemberId, Peer>();
  readonly #remotes = new Map<MemberId, Remote>();
  #inbox: Message[] = [];
  readonly #unreachable = new Set<MemberId>();
  #delivering = false;
  #closed = false;

  constructor(options: TransportOptions) {
    const settings = fillSettings(options);
    this.#settings = settings;
    this.#events = {
      messages: (messages) => this.#take(messages),
      unreachable: (id) => {
        this.#unreachable.add(id);
        this.#deliverLater();
      },
      removed: () => {
        if (!this.#closed) settings.handler.onRemoved();
      },
      streamLost: (id) => {
        if (!this.#closed) settings.handler.onStreamLost?.(id);
      },
    };
    this.#receiver = new Receiver(settings, {
      messages: (messages) => this.#take(messages),
      heardOf: (id, urls) => this.addRemote(id, urls),
      attach: (kind, from, response) => {
        const peer = this.#peers.get(from);
        if (peer === undefined) return false;
        response.writeHead(200, { "Transfer-Encoding": "chunked" });
        response.flushHeaders();
        peer.attach(kind, response);
        return true;
      },
    });
  }

  /** Starts talking to a member of the cluster. Adding a known one, or oneself, does nothing. */
  addPeer(id: MemberId, urls: readonly string[]): void {
    if (this.#closed || this.#peers.has(id) || id === this.#settings.identity.localId) return;
    this.#dropRemote(id);
    const peer = new Peer(id, urls, this.#settings, this.#events);
    this.#peers.set(id, peer);
    peer.start();
    this.#settings.logger.info("added remote peer", {
      "remote-peer-id": hexId(id),
      "remote-peer-urls": urls,
    });
  }

  /** New URLs for a known peer; its streams are dialled again there. */
  updatePeer(id: MemberId, urls: readonly string[]): void {
    this.#peers.get(id)?.update(urls);
  }

  /** Stops talking to a member; its connections close. */
  removePeer(id: MemberId): void {
    this.#dropRemote(id);
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#peers.delete(id);
    peer.close();
    this.#settings.logger.info("removed remote peer", { "removed-remote-peer-id": hexId(id) });
  }

  /** A member known by hearsay (a joiner's view): reached by pipeline only, until it is a peer. */
  addRemote(id: MemberId, urls: readonly string[]): void {
    if (this.#closed || this.#peers.has(id) || this.#remotes.has(id)) return;
    if (id === this.#settings.identity.localId || this.#remotes.size >= remotesMax) return;
    this.#remotes.set(id, new Remote(id, urls, this.#settings, this.#events));
  }

  /** Takes messages to send, in order per peer. MsgSnap travels the snapshot's way. */
  send(messages: readonly Message[]): void {
    if (this.#closed) return;
    for (const m of messages) {
      if (m.to === noMember) continue;
      const way = this.#peers.get(m.to) ?? this.#remotes.get(m.to);
      if (way !== undefined) way.send(m);
      else this.#settings.logger.debug("ignored message send request; unknown remote peer target");
    }
  }

  /** Since when (clock's nowMs) a peer is connected without a break; undefined when it is not. */
  activeSince(id: MemberId): number | undefined {
    return this.#peers.get(id)?.activeSince;
  }

  /** Number of peers connected now. */
  activePeers(): number {
    return [...this.#peers.values()].filter((p) => p.activeSince !== undefined).length;
  }

  /** Answers a request below /raft; false when the path is not the transport's. */
  handle(path: string, request: IncomingMessage, response: ServerResponse): boolean {
    if (path !== "/raft" && !path.startsWith("/raft/")) return false;
    if (this.#closed) response.destroy();
    else this.#receiver.handle(path, request, response);
    return true;
  }

  /** Closes every connection; afterwards no callback runs and no timer is left. */
  close(): void {
    this.#closed = true;
    for (const p of [...this.#peers.values(), ...this.#remotes.values()]) p.close();
    this.#peers.clear();
    this.#remotes.clear();
    this.#inbox = [];
    this.#unreachable.clear();
  }

  #dropRemote(id: MemberId): void {
    this.#remotes.get(id)?.close();
    this.#remotes.delete(id);
  }

  #take(messages: Message[]): void {
    const { handler } = this.#settings;
    for (const m of messages) if (!handler.isRemoved(m.from)) this.#inbox.push(m);
    this.#deliverLater();
  }

  #deliverLater(): void {
    if (this.#delivering || this.#closed) return;
    this.#delivering = true;
    this.#settings.clock.soon(() => {
      this.#delivering = false;
      if (!this.#closed) this.#deliver();
    });
  }

  #deliver(): void {
    const { handler } = this.#settings;
    const messages = this.#inbox;
    const unreachable = [...this.#unreachable];
    this.#inbox = [];
    this.#unreachable.clear();
    if (messages.length > 0) handler.onMessages(messages);
    for (const id of unreachable) handler.onUnreachable(id);
  }
}

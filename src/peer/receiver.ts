import type { IncomingMessage, ServerResponse } from "node:http";
import type { Message } from "../core/raft/index.ts";
import { MessageType } from "../core/raft/index.ts";
import type { MemberId } from "../core/types.ts";
import { hexId } from "../core/types.ts";
import { raftpb } from "../proto/index.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { StreamKind } from "./frames.ts";
import {
  checkCompatibility,
  headerText,
  parseHexId,
  removedSender,
  sendError,
  senderOf,
} from "./headers.ts";
import { BodyTooLarge, readAll } from "./requests.ts";
import type { Settings } from "./settings.ts";

/** What the receiving side needs of its transport. */
export interface ReceiverEvents {
  messages(messages: Message[]): void;
  /** Gives the stream to the peer; false when the id is no peer of ours. */
  attach(kind: StreamKind, from: MemberId, response: ServerResponse): boolean;
  /** A sender told its URLs. */
  heardOf(id: MemberId, urls: readonly string[]): void;
}

const streamPath = /^\/raft\/stream\/([^/]*)\/([^/]*)$/;

/** Serves what lies below /raft on the peer port (rafthttp http.go). */
export class Receiver {
  readonly #settings: Settings;
  readonly #events: ReceiverEvents;

  constructor(settings: Settings, events: ReceiverEvents) {
    this.#settings = settings;
    this.#events = events;
  }

  handle(path: string, request: IncomingMessage, response: ServerResponse): void {
    response.on("error", () => undefined);
    if (path === "/raft") {
      this.#guard(response, this.#post(request, response));
    } else if (path === "/raft/snapshot") {
      this.#guard(response, this.#snapshot(request, response));
    } else if (path === "/raft/probing") {
      const now = new Date(this.#settings.clock.wallMs()).toISOString();
      response.setHeader("Content-Type", "text/plain; charset=utf-8");
      response.end(`${JSON.stringify({ OK: true, Now: now })}\n`);
    } else if (path.startsWith("/raft/stream/")) {
      this.#stream(path, request, response);
    } else {
      sendError(response, 404, "404 page not found");
    }
  }

  #guard(response: ServerResponse, work: Promise<void>): void {
    work.catch((e: unknown) => {
      this.#settings.metrics.receiveFailed(undefined);
      this.#settings.logger.warn("failed to process Raft message", {
        error: e instanceof Error ? e.message : String(e),
      });
      response.destroy();
    });
  }

  /** Checks what POSTs and streams share; false when the request has been refused. */
  #admit(method: string, request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== method) {
      response.setHeader("Allow", method);
      sendError(response, 405, "Method Not Allowed");
      return false;
    }
    if (method === "GET") {
      response.setHeader("X-Server-Version", this.#settings.identity.serverVersion);
    }
    response.setHeader("X-Etcd-Cluster-ID", this.#settings.clusterHex);
    const problem = checkCompatibility(this.#settings, request.headers);
    if (problem === undefined) return true;
    this.#settings.logger.warn(`rejected a request of a peer: ${problem}`, {
      "remote-peer-server-name": headerText(request.headers, "x-server-from"),
      "remote-peer-server-version": headerText(request.headers, "x-server-version"),
      "remote-peer-cluster-id": headerText(request.headers, "x-etcd-cluster-id"),
      "local-member-cluster-id": this.#settings.clusterHex,
    });
    sendError(response, 412, problem);
    return false;
  }

  #hear(request: IncomingMessage): void {
    const sender = senderOf(request.headers);
    if (sender !== undefined && !this.#settings.handler.isRemoved(sender.id)) {
      this.#events.heardOf(sender.id, sender.urls);
    }
  }

  async #post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#admit("POST", request, response)) return;
    this.#hear(request);
    const { metrics, limits } = this.#settings;
    let m: Message;
    try {
      const body = await readAll(request, limits.messageBytes);
      m = raftpb.decodeMessage(body);
      metrics.received(m.from, body.length);
    } catch (e) {
      metrics.receiveFailed(undefined);
      const text = e instanceof BodyTooLarge ? "reading" : "unmarshalling";
      sendError(response, 400, `error ${text} raft message`);
      return;
    }
    if (this.#refuses(m, response)) return;
    this.#events.messages([m]);
    response.writeHead(204).end();
  }

  async #snapshot(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#admit("POST", request, response)) return;
    this.#hear(request);
    const { metrics, clock, logger, handler } = this.#settings;
    const body = new SnapshotBody(request);
    let m: Message;
    try {
      m = await body.envelope(this.#settings.limits.snapshotMessageBytes);
    } catch (e) {
      metrics.receiveFailed(undefined);
      sendError(response, 400, `failed to decode raft message (${(e as Error).message})`);
      return;
    }
    if (m.type !== MessageType.MsgSnap || m.snapshot === undefined) {
      sendError(response, 400, "wrong raft message type");
      return;
    }
    if (this.#refuses(m, response)) return;
    const start = clock.nowMs();
    const fields = {
      "remote-snapshot-sender-id": hexId(m.from),
      "incoming-snapshot-index": m.snapshot.metadata.index,
    };
    logger.info("receiving database snapshot", fields);
    const seconds = (): number => (clock.nowMs() - start) / 1000;
    try {
      await handler.receiveSnapshot(
        m,
        body.chunks((n) => metrics.received(m.from, n)),
      );
    } catch (e) {
      const error = e instanceof Error ? e.message : String(e);
      logger.warn("failed to save incoming database snapshot", { ...fields, error });
      metrics.snapshotReceived(m.from, false, seconds());
      sendError(response, 500, `failed to save KV snapshot (${error})`);
      return;
    }
    logger.info("received and saved database snapshot", fields);
    metrics.snapshotReceived(m.from, true, seconds());
    this.#events.messages([m]);
    response.writeHead(204).end();
  }

  /**
   * Refuses a message of a removed member with 403, which tells it to stop. One that is meant for
   * somebody else gets 500 (as from etcd 3.7): its sender is none the worse for an address that
   * changed hands.
   */
  #refuses(m: Message, response: ServerResponse): boolean {
    const { handler, identity } = this.#settings;
    if (handler.isRemoved(m.from)) {
      response.writeHead(403, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ message: removedSender }));
      return true;
    }
    if (m.to === identity.localId) return false;
    sendError(response, 500, "error processing raft message");
    return true;
  }

  #stream(path: string, request: IncomingMessage, response: ServerResponse): void {
    if (!this.#admit("GET", request, response)) return;
    const [, kind = "", fromText = ""] = streamPath.exec(path) ?? [];
    if (kind !== "msgapp" && kind !== "message") {
      sendError(response, 404, "invalid path");
      return;
    }
    const from = parseHexId(fromText);
    if (from === undefined) {
      sendError(response, 404, "invalid from");
      return;
    }
    const { handler, logger, localHex } = this.#settings;
    const fields = { "remote-peer-id-from": hexId(from) };
    if (handler.isRemoved(from)) {
      logger.warn("rejected stream from remote peer because it was removed", fields);
      sendError(response, 410, "removed member");
      return;
    }
    if (headerText(request.headers, "x-raft-to") !== localHex) {
      logger.warn("ignored streaming request; ID mismatch", fields);
      sendError(response, 412, "to field mismatch");
      return;
    }
    request.socket.setNoDelay(true);
    request.socket.setKeepAlive(true, 15_000);
    if (this.#events.attach(kind, from, response)) return;
    this.#hear(request);
    logger.warn("failed to find remote peer in cluster", fields);
    sendError(response, 404, "error sender not found");
  }
}

/** The body of POST /raft/snapshot: a length, a MsgSnap, then the database until the end. */
class SnapshotBody {
  readonly #source: AsyncIterator<Buffer>;
  readonly #queue = new ByteQueue();

  constructor(request: IncomingMessage) {
    this.#source = (request as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  async envelope(max: number): Promise<Message> {
    await this.#fill(8);
    const size = this.#queue.u64() as number;
    if (size > max) throw new Error("rafthttp: error limit exceeded");
    await this.#fill(size);
    return raftpb.decodeMessage(this.#queue.take(size) as Buffer);
  }

  async *chunks(count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
    if (this.#queue.length > 0) {
      count(this.#queue.length);
      yield this.#queue.rest();
    }
    for (;;) {
      const next = await this.#source.next();
      if (next.done === true) return;
      count(next.value.length);
      yield next.value;
    }
  }

  async #fill(n: number): Promise<void> {
    while (this.#queue.length < n) {
      const next = await this.#source.next();
      if (next.done === true) throw new Error("unexpected EOF");
      this.#queue.push(next.value);
    }
  }
}

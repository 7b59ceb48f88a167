import type { ClientRequest, IncomingMessage } from "node:http";
import type { Message } from "../core/raft/index.ts";
import type { MemberId } from "../core/types.ts";
import { hexId } from "../core/types.ts";
import type { Cancel } from "../ports/index.ts";
import { explainDial } from "../tls/index.ts";
import { StreamDecoder, type StreamKind } from "./frames.ts";
import { clusterIdMismatch, incompatibleVersion, requestHeaders } from "./headers.ts";
import { readAll, startRequest } from "./requests.ts";
import type { Settings } from "./settings.ts";
import type { PeerStatus, UrlPicker } from "./status.ts";

/** What a reader tells its peer. */
export interface ReaderEvents {
  /** Messages of one chunk, in order. */
  messages(messages: Message[]): void;
  opened(): void;
  /** An open stream ended, however. */
  lost(reason: string): void;
  /** The peer says we are no member any more. */
  removed(): void;
}

/** Dials the peer, reads one stream, and dials again when it ends (rafthttp stream.go). */
export class StreamReader {
  readonly #kind: StreamKind;
  readonly #from: MemberId;
  readonly #settings: Settings;
  readonly #picker: UrlPicker;
  readonly #status: PeerStatus;
  readonly #events: ReaderEvents;
  #request: ClientRequest | undefined;
  #isOpen = false;
  #retryMs: number;
  #cancelRetry: Cancel | undefined;
  #cancelDial: Cancel | undefined;
  #closed = false;

  constructor(
    kind: StreamKind,
    from: MemberId,
    settings: Settings,
    parts: { picker: UrlPicker; status: PeerStatus; events: ReaderEvents },
  ) {
    this.#kind = kind;
    this.#from = from;
    this.#settings = settings;
    this.#picker = parts.picker;
    this.#status = parts.status;
    this.#events = parts.events;
    this.#retryMs = settings.times.dialRetryMs;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Starts dialling; goes on until close. */
  dial(): void {
    const url = this.#picker.pick();
    const { times, localHex } = this.#settings;
    const sent = startRequest(url, `/raft/stream/${this.#kind}/${localHex}`, {
      headers: { ...requestHeaders(this.#settings), "X-Raft-To": hexId(this.#from) },
      tls: this.#settings.tls,
    });
    this.#request = sent;
    this.#cancelDial = this.#settings.clock.after(times.dialTimeoutMs, () => {
      sent.destroy(new Error("dial timed out"));
    });
    let reason = "connection closed";
    sent.on("error", (e) => {
      reason = explainDial(e);
    });
    sent.on("response", (response) => {
      this.#cancelDial?.();
      if (response.statusCode === 200) this.#read(sent, response);
      else
        void this.#refused(response).then((text) => {
          reason = text;
          sent.destroy();
        });
    });
    // Comes once, after the response has been read or on any failure.
    sent.on("close", () => {
      if (this.#request === sent) this.#ended(url, reason);
    });
    sent.end();
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#cancelDial?.();
    const sent = this.#request;
    this.#request = undefined;
    this.#isOpen = false;
    sent?.destroy();
  }

  /** Drops the connection in use, so that the next dial goes to new URLs. */
  redial(): void {
    this.#request?.destroy(new Error("peer URLs changed"));
  }

  #read(sent: ClientRequest, response: IncomingMessage): void {
    const { times, limits, metrics, faults, identity } = this.#settings;
    const ends = { local: identity.localId, remote: this.#from };
    const decoder = new StreamDecoder(this.#kind, ends, limits.messageBytes);
    this.#isOpen = true;
    this.#retryMs = times.dialRetryMs;
    this.#status.activate();
    this.#events.opened();
    sent.setTimeout(times.readTimeoutMs, () => {
      sent.destroy(new Error("nothing received within the read timeout"));
    });
    response.on("data", (chunk: Buffer) => {
      if (this.#request !== sent) return;
      const messages: Message[] = [];
      try {
        decoder.push(chunk, messages);
      } catch (e) {
        sent.destroy(e as Error);
      }
      metrics.received(this.#from, chunk.length);
      const kept = messages.filter(() => faults.hit("raftDropHeartbeat") === undefined);
      if (kept.length > 0) this.#events.messages(kept);
    });
    response.on("error", () => undefined);
  }

  /** Reads why the stream was refused. */
  async #refused(response: IncomingMessage): Promise<string> {
    const status = response.statusCode ?? 0;
    const body = (await readAll(response, 4096).catch(() => Buffer.alloc(0))).toString().trim();
    const fields = { "remote-peer-id": hexId(this.#from), "stream-type": this.#kind };
    const { logger } = this.#settings;
    if (status === 410) {
      if (!this.#closed) this.#events.removed();
      return "the member has been permanently removed from the cluster";
    }
    if (status === 412 && body === incompatibleVersion) {
      logger.warn(
        "request sent was ignored by remote peer due to server version incompatibility",
        fields,
      );
    } else if (status === 412 && body === clusterIdMismatch) {
      logger.warn("request sent was ignored by remote peer due to cluster ID mismatch", {
        ...fields,
        "remote-peer-cluster-id": response.headers["x-etcd-cluster-id"],
        "local-member-cluster-id": this.#settings.clusterHex,
      });
    }
    return `unexpected status ${status} (${body})`;
  }

  #ended(url: string, reason: string): void {
    this.#request = undefined;
    this.#cancelDial?.();
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    if (this.#closed) return;
    if (wasOpen) this.#events.lost(reason);
    else {
      this.#picker.unreachable(url);
      this.#status.deactivate(`failed to dial ${hexId(this.#from)} on ${this.#kind} (${reason})`);
    }
    const { clock, times } = this.#settings;
    this.#cancelRetry = clock.after(this.#retryMs, () => this.dial());
    this.#retryMs = Math.min(2 * this.#retryMs, times.dialRetryMaxMs);
  }
}

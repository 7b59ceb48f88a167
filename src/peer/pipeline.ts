import type { Message } from "../core/raft/index.ts";
import { raftpb } from "../proto/index.ts";
import { explainDial } from "../tls/index.ts";
import { removedSender, requestHeaders } from "./headers.ts";
import { type PeerAgents, readAll, startRequest } from "./requests.ts";
import type { Settings } from "./settings.ts";
import type { PeerStatus, UrlPicker } from "./status.ts";

/** What a peer's answer to a POST means (rafthttp util.go checkPostResponse). */
export type PostResult = "taken" | "removed" | { readonly error: string };

export interface PostParts {
  readonly picker: UrlPicker;
  readonly status: PeerStatus;
  readonly agents: PeerAgents;
  /** A message was dropped or its post failed. */
  unreachable(): void;
  removed(): void;
}

/**
 * Messages by POST /raft, one each: the way while no stream stands. A few posts are in flight at
 * a time, a few messages wait, the rest is dropped.
 */
export class Pipeline {
  readonly #settings: Settings;
  readonly #parts: PostParts;
  readonly #queue: Message[] = [];
  #inFlight = 0;
  #closed = false;

  constructor(settings: Settings, parts: PostParts) {
    this.#settings = settings;
    this.#parts = parts;
  }

  /** Queues a message; false when it had to be dropped. */
  send(m: Message): boolean {
    const { pipelineMessages } = this.#settings.limits;
    if (this.#closed || this.#queue.length >= pipelineMessages) return false;
    this.#queue.push(m);
    this.#pump();
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#queue.length = 0;
  }

  #pump(): void {
    while (this.#inFlight < this.#settings.limits.pipelinePosts) {
      const m = this.#queue.shift();
      if (m === undefined) return;
      this.#inFlight++;
      this.#post(m).then(
        () => this.#done(),
        () => this.#done(),
      );
    }
  }

  #done(): void {
    this.#inFlight--;
    if (!this.#closed) this.#pump();
  }

  async #post(m: Message): Promise<void> {
    const body = raftpb.encodeMessage(m);
    const url = this.#parts.picker.pick();
    let result = await this.#exchange(url, body, this.#parts.agents);
    // A kept connection may have been closed by the peer meanwhile (etcd does after 5 s).
    if (result === "stale" && !this.#closed) result = await this.#exchange(url, body, undefined);
    if (this.#closed) return;
    if (result === "taken") {
      this.#parts.status.activate();
      this.#settings.metrics.sent(m.to, body.byteLength);
      return;
    }
    this.#parts.picker.unreachable(url);
    const reason = typeof result === "string" ? result : result.error;
    this.#parts.status.deactivate(`failed to write ${m.to.toString(16)} on pipeline (${reason})`);
    if (result === "removed") this.#parts.removed();
    this.#parts.unreachable();
  }

  #exchange(
    url: string,
    body: Uint8Array,
    agents: PeerAgents | undefined,
  ): Promise<PostResult | "stale"> {
    return new Promise((resolve) => {
      const sent = startRequest(url, "/raft", {
        method: "POST",
        agents,
        tls: this.#settings.tls,
        headers: {
          ...requestHeaders(this.#settings),
          "Content-Type": "application/protobuf",
          "Content-Length": body.byteLength,
        },
      });
      sent.setTimeout(this.#settings.times.readTimeoutMs, () => {
        sent.destroy(new Error("no answer within the read timeout"));
      });
      sent.on("error", (e: NodeJS.ErrnoException) => {
        const closed = e.code === "ECONNRESET" || e.code === "EPIPE";
        resolve(closed && sent.reusedSocket ? "stale" : { error: explainDial(e) });
      });
      sent.on("response", (response) => {
        readAll(response, 65536).then(
          (text) => resolve(postResult(response.statusCode ?? 0, text.toString().trim())),
          (e: Error) => resolve({ error: e.message }),
        );
      });
      sent.end(body);
    });
  }
}

export function postResult(status: number, body: string): PostResult {
  if (status === 204) return "taken";
  if (status === 403 && body.includes(removedSender)) return "removed";
  return { error: `unexpected status ${status} (${body})` };
}

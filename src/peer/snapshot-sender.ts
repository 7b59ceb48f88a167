import type { ClientRequest } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Message } from "../core/raft/index.ts";
import type { MemberId } from "../core/types.ts";
import { hexId } from "../core/types.ts";
import { explainDial } from "../tls/index.ts";
import { encodeEnvelope } from "./frames.ts";
import { requestHeaders } from "./headers.ts";
import { type PostParts, type PostResult, postResult } from "./pipeline.ts";
import { readAll, startRequest } from "./requests.ts";
import type { Settings } from "./settings.ts";
import type { OutgoingSnapshot } from "./types.ts";

/** Databases by POST /raft/snapshot, one at a time (rafthttp snapshot_sender.go). */
export class SnapshotSender {
  readonly #to: MemberId;
  readonly #settings: Settings;
  readonly #parts: PostParts;
  #request: ClientRequest | undefined;
  #isBusy = false;
  #closed = false;

  constructor(to: MemberId, settings: Settings, parts: PostParts) {
    this.#to = to;
    this.#settings = settings;
    this.#parts = parts;
  }

  /** Sends in the background; the outcome comes by onSnapshotSent. A second one fails at once. */
  send(m: Message): void {
    if (this.#closed) return;
    if (this.#isBusy) {
      this.#settings.handler.onSnapshotSent(this.#to, false);
      return;
    }
    this.#isBusy = true;
    void this.#run(m);
  }

  close(): void {
    this.#closed = true;
    this.#request?.destroy();
  }

  async #run(m: Message): Promise<void> {
    const { clock, metrics, handler, logger } = this.#settings;
    const start = clock.nowMs();
    const result = await this.#transfer(m).catch((e: unknown): PostResult => {
      return { error: e instanceof Error ? e.message : String(e) };
    });
    this.#isBusy = false;
    if (this.#closed) return;
    const ok = result === "taken";
    metrics.snapshotSent(this.#to, ok, (clock.nowMs() - start) / 1000);
    if (ok) {
      this.#parts.status.activate();
      logger.info("sent database snapshot", { "remote-peer-id": hexId(this.#to) });
    } else {
      const error = result === "removed" ? result : result.error;
      logger.warn("failed to send database snapshot", { "remote-peer-id": hexId(this.#to), error });
      this.#parts.status.deactivate(`failed to post ${hexId(this.#to)} on sendMsgSnap (${error})`);
      if (result === "removed") this.#parts.removed();
      this.#parts.unreachable();
    }
    handler.onSnapshotSent(this.#to, ok);
  }

  async #transfer(m: Message): Promise<PostResult> {
    const snapshot = await this.#settings.handler.openSnapshot(m);
    try {
      return this.#closed ? { error: "stopped" } : await this.#post(snapshot);
    } finally {
      await snapshot.close();
    }
  }

  async #post(snapshot: OutgoingSnapshot): Promise<PostResult> {
    const { logger, times } = this.#settings;
    const envelope = encodeEnvelope(snapshot.message);
    const url = this.#parts.picker.pick();
    logger.info("sending database snapshot", {
      "snapshot-index": snapshot.message.snapshot?.metadata.index,
      "remote-peer-id": hexId(this.#to),
      bytes: snapshot.sizeBytes,
    });
    const sent = startRequest(url, "/raft/snapshot", {
      method: "POST",
      headers: {
        ...requestHeaders(this.#settings),
        "Content-Type": "application/octet-stream",
        "Content-Length": envelope.byteLength + snapshot.sizeBytes,
      },
      tls: this.#settings.tls,
    });
    this.#request = sent;
    sent.setTimeout(times.snapshotIdleMs, () => sent.destroy(new Error("transfer stalled")));
    try {
      const answer = answerTo(sent);
      // A refusal may come while the body is still leaving; it says more than the broken pipe.
      const body = pipeline(Readable.from(withEnvelope(envelope, snapshot)), sent);
      const result = await Promise.race([
        answer,
        body.then(
          () => answer,
          () => answer,
        ),
      ]);
      if (result !== "taken") this.#parts.picker.unreachable(url);
      return result;
    } finally {
      this.#request = undefined;
      sent.destroy();
    }
  }
}

async function* withEnvelope(
  envelope: Uint8Array,
  snapshot: OutgoingSnapshot,
): AsyncGenerator<Uint8Array> {
  yield envelope;
  let left = snapshot.sizeBytes;
  for await (const chunk of snapshot.chunks) {
    left -= chunk.byteLength;
    if (left < 0) throw new Error(`snapshot is larger than its size ${snapshot.sizeBytes}`);
    yield chunk;
  }
  if (left !== 0) throw new Error(`snapshot ended ${left} bytes early`);
}

function answerTo(sent: ClientRequest): Promise<PostResult> {
  return new Promise((resolve) => {
    sent.on("error", (e) => resolve({ error: explainDial(e) }));
    sent.on("close", () => resolve({ error: "connection closed" }));
    sent.on("response", (response) => {
      readAll(response, 65536).then(
        (text) => resolve(postResult(response.statusCode ?? 0, text.toString().trim())),
        (e: Error) => resolve({ error: e.message }),
      );
    });
  });
}

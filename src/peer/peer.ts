import type { ServerResponse } from "node:http";
import type { Message } from "../core/raft/index.ts";
import { MessageType } from "../core/raft/index.ts";
import type { MemberId } from "../core/types.ts";
import { hexId } from "../core/types.ts";
import type { Cancel } from "../ports/index.ts";
import type { StreamKind } from "./frames.ts";
import { Pipeline, type PostParts } from "./pipeline.ts";
import { PeerAgents, startRequest } from "./requests.ts";
import type { Settings } from "./settings.ts";
import { SnapshotSender } from "./snapshot-sender.ts";
import { PeerStatus, UrlPicker } from "./status.ts";
import { StreamReader } from "./stream-reader.ts";
import { StreamWriter } from "./stream-writer.ts";

/** What a peer tells its transport. */
export interface PeerEvents {
  messages(messages: Message[]): void;
  unreachable(id: MemberId): void;
  removed(): void;
  streamLost(id: MemberId): void;
}

/** Another member of the cluster and every connection with it (rafthttp peer.go). */
export class Peer {
  readonly #id: MemberId;
  readonly #settings: Settings;
  readonly #picker: UrlPicker;
  readonly #status: PeerStatus;
  readonly #agents: PeerAgents;
  readonly #pipeline: Pipeline;
  readonly #snapshots: SnapshotSender;
  readonly #writers: Record<StreamKind, StreamWriter>;
  readonly #readers: Record<StreamKind, StreamReader>;
  readonly #events: PeerEvents;
  #cancelProbe: Cancel | undefined;

  constructor(id: MemberId, urls: readonly string[], settings: Settings, events: PeerEvents) {
    this.#id = id;
    this.#settings = settings;
    this.#events = events;
    this.#picker = new UrlPicker(urls);
    const hasStream = (): boolean => Object.values(this.#readers).some((r) => r.isOpen);
    this.#status = new PeerStatus(id, settings, hasStream);
    this.#agents = new PeerAgents(settings.limits.pipelinePosts);
    const parts: PostParts = {
      picker: this.#picker,
      status: this.#status,
      agents: this.#agents,
      unreachable: () => this.#dropped(),
      removed: () => events.removed(),
    };
    this.#pipeline = new Pipeline(settings, parts);
    this.#snapshots = new SnapshotSender(id, settings, parts);
    this.#writers = { msgapp: this.#writer("msgapp"), message: this.#writer("message") };
    this.#readers = { msgapp: this.#reader("msgapp"), message: this.#reader("message") };
    this.#probeLater(Math.min(200, settings.times.probeIntervalMs));
  }

  get activeSince(): number | undefined {
    return this.#status.since;
  }

  start(): void {
    this.#readers.msgapp.dial();
    this.#readers.message.dial();
  }

  /** Sends or drops; never throws. */
  send(m: Message): void {
    if (m.type === MessageType.MsgSnap) {
      this.#snapshots.send(m);
      return;
    }
    const { msgapp, message } = this.#writers;
    const way =
      m.type === MessageType.MsgApp && msgapp.isOpen
        ? msgapp
        : message.isOpen
          ? message
          : this.#pipeline;
    if (!way.send(m)) this.#dropped();
  }

  /** The peer has dialled us: this answer's body is the stream to it. */
  attach(kind: StreamKind, response: ServerResponse): void {
    this.#writers[kind].attach(response);
    this.#status.activate();
  }

  update(urls: readonly string[]): void {
    this.#picker.update(urls);
    this.#readers.msgapp.redial();
    this.#readers.message.redial();
  }

  close(): void {
    this.#cancelProbe?.();
    this.#cancelProbe = undefined;
    for (const part of [...Object.values(this.#writers), ...Object.values(this.#readers)]) {
      part.close();
    }
    this.#pipeline.close();
    this.#snapshots.close();
    this.#agents.destroy();
    this.#status.deactivate("peer closed");
  }

  #dropped(): void {
    this.#settings.metrics.sendFailed(this.#id);
    this.#events.unreachable(this.#id);
  }

  #writer(kind: StreamKind): StreamWriter {
    return new StreamWriter(kind, this.#id, this.#settings, () => {
      this.#streamEnded(kind, "writer", "connection closed");
      this.#dropped();
    });
  }

  #reader(kind: StreamKind): StreamReader {
    const fields = { "stream-reader-type": kind, "remote-peer-id": hexId(this.#id) };
    return new StreamReader(kind, this.#id, this.#settings, {
      picker: this.#picker,
      status: this.#status,
      events: {
        messages: (messages) => this.#events.messages(messages),
        removed: () => this.#events.removed(),
        opened: () => {
          this.#settings.logger.info(
            "established TCP streaming connection with remote peer",
            fields,
          );
        },
        lost: (reason) => {
          this.#streamEnded(kind, "reader", reason);
          if (kind === "msgapp") this.#events.streamLost(this.#id);
        },
      },
    });
  }

  #streamEnded(kind: StreamKind, side: "reader" | "writer", reason: string): void {
    this.#settings.logger.warn("lost TCP streaming connection with remote peer", {
      [`stream-${side}-type`]: kind,
      "remote-peer-id": hexId(this.#id),
      error: reason,
    });
    this.#status.deactivate(`failed to read ${hexId(this.#id)} on ${kind} (${reason})`);
  }

  #probeLater(ms: number): void {
    this.#cancelProbe = this.#settings.clock.after(ms, () => {
      this.#probe();
      this.#probeLater(this.#settings.times.probeIntervalMs);
    });
  }

  /** Measures one round trip. Failures are silent: the streams tell them better. */
  #probe(): void {
    const { clock, metrics, times } = this.#settings;
    const start = clock.nowMs();
    const sent = startRequest(this.#picker.pick(), "/raft/probing", {
      agents: this.#agents,
      tls: this.#settings.tls,
    });
    sent.setTimeout(times.readTimeoutMs, () => sent.destroy());
    sent.on("error", () => undefined);
    sent.on("response", (response) => {
      if (this.#cancelProbe !== undefined) {
        metrics.roundTrip(this.#id, (clock.nowMs() - start) / 1000);
      }
      response.resume();
    });
    sent.end();
  }
}

/** A member known only by its requests to us: reached by pipeline (rafthttp remote.go). */
export class Remote {
  readonly #agents: PeerAgents;
  readonly #pipeline: Pipeline;

  constructor(id: MemberId, urls: readonly string[], settings: Settings, events: PeerEvents) {
    this.#agents = new PeerAgents(settings.limits.pipelinePosts);
    this.#pipeline = new Pipeline(settings, {
      picker: new UrlPicker(urls),
      status: new PeerStatus(id, settings, () => false),
      agents: this.#agents,
      unreachable: () => events.unreachable(id),
      removed: () => events.removed(),
    });
  }

  send(m: Message): void {
    this.#pipeline.send(m);
  }

  close(): void {
    this.#pipeline.close();
    this.#agents.destroy();
  }
}

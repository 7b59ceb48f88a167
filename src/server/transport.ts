/** What a member asks of its connections to the other members, and what it gives them. */
import type { Message } from "../core/raft/index.ts";
import type { MemberId } from "../core/types.ts";

/** Sends Raft messages; src/peer's Transport, or the simulator's network. */
export interface Transport {
  /** Connects to a member of the cluster; a known one is left alone. */
  addPeer(id: MemberId, peerUrls: readonly string[]): void;
  updatePeer(id: MemberId, peerUrls: readonly string[]): void;
  removePeer(id: MemberId): void;
  /** A member known by hearsay: a joiner answers it before it has applied its conf change. */
  addRemote(id: MemberId, peerUrls: readonly string[]): void;
  /** Never blocks; what cannot be sent is dropped and reported by onUnreachable. */
  send(messages: readonly Message[]): void;
  /** `Clock.nowMs` since when the member is connected; undefined while it is not. */
  activeSince(id: MemberId): number | undefined;
}

/** A bbolt file on its way to a member that has fallen behind; read once, in order. */
export interface OutgoingSnapshot {
  /** MsgSnap with the metadata of the state that the chunks carry. */
  readonly message: Message;
  readonly sizeBytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Called once, whatever happened. */
  close(): Promise<void>;
}

/** What a transport calls; a Member is one. */
export interface TransportHandler {
  onMessages(messages: Message[]): void;
  isRemoved(id: MemberId): boolean;
  onUnreachable(id: MemberId): void;
  /** The connection on which this member sends us its log broke. */
  onStreamLost(id: MemberId): void;
  onSnapshotSent(id: MemberId, ok: boolean): void;
  openSnapshot(message: Message): Promise<OutgoingSnapshot>;
  receiveSnapshot(message: Message, body: AsyncIterable<Uint8Array>): Promise<void>;
  onRemoved(): void;
}

/** Asks another member over HTTP on its peer URL; rejects when there is no answer. */
export type AskPeer = (
  url: string,
  question: {
    readonly method: "GET" | "POST";
    readonly path: string;
    readonly body?: Uint8Array;
    readonly timeoutMs: number;
  },
) => Promise<{ readonly status: number; readonly body: Uint8Array }>;

/**
 * How messages lie in a stream's body (rafthttp msg_codec.go, msgappv2_codec.go). Numbers are
 * big endian.
 *
 *   message stream:  | length u64 | raftpb.Message | ...
 *
 *   msgapp stream:   | 0 u8 |                                            link heartbeat
 *                    | 1 u8 | n u64 | (size u64 | raftpb.Entry) * n | commit u64 |
 *                    | 2 u8 | size u64 | raftpb.Message |
 *
 * Kind 1 is a MsgApp that goes on where the one before ended: term and index are known to both
 * sides and left out. Each side keeps them per connection.
 */
import type { Entry, Message } from "../core/raft/index.ts";
import { MessageType } from "../core/raft/index.ts";
import type { Index, MemberId, Term } from "../core/types.ts";
import { noMember } from "../core/types.ts";
import { Reader, raftpb, Writer } from "../proto/index.ts";
import { ByteQueue } from "./byte-queue.ts";

/** Which of the two streams; the word stands in the path. */
export type StreamKind = "msgapp" | "message";

const kindHeartbeat = 0;
const kindEntries = 1;
const kindMessage = 2;

/** The link's own heartbeat: no Raft message lacks both ends. */
const linkHeartbeat = raftpb.newMessage({ type: MessageType.MsgHeartbeat });

export const isLinkHeartbeat = (m: Message): boolean =>
  m.type === MessageType.MsgHeartbeat && m.from === noMember && m.to === noMember;

/** Writes one connection's frames. */
export class StreamEncoder {
  readonly #kind: StreamKind;
  #term = 0;
  #index = 0;

  constructor(kind: StreamKind) {
    this.#kind = kind;
  }

  /**
   * All messages as one buffer; entries are copied into it once and nowhere else. `before` and
   * `after`: bytes left free around them for whoever frames the whole.
   */
  encode(messages: readonly Message[], before = 0, after = 0): Buffer {
    return this.#kind === "message"
      ? encodePlain(messages, before, after)
      : this.#encodeMsgApp(messages, before, after);
  }

  heartbeat(before = 0, after = 0): Buffer {
    if (this.#kind === "message") return encodePlain([linkHeartbeat], before, after);
    const b = Buffer.alloc(before + 1 + after);
    b[before] = kindHeartbeat;
    return b;
  }

  #encodeMsgApp(messages: readonly Message[], before: number, after: number): Buffer {
    const follows: boolean[] = [];
    let size = 0;
    for (const m of messages) {
      const next = this.#index === m.index && this.#term === m.logTerm && m.logTerm === m.term;
      follows.push(next);
      size += next ? entriesFrameSize(m) : 9 + raftpb.sizeMessage(m);
      this.#term = m.term;
      this.#index = m.entries.at(-1)?.index ?? m.index;
    }
    const w = new Writer(before + size + after);
    w.pos = before;
    messages.forEach((m, i) => {
      if (follows[i]) writeEntriesFrame(w, m);
      else {
        w.bytes[w.pos++] = kindMessage;
        writeU64(w, raftpb.sizeMessage(m));
        raftpb.writeMessage(m, w);
      }
    });
    return w.bytes;
  }
}

/** A MsgSnap's envelope, as it precedes the database. */
export const encodeEnvelope = (m: Message): Uint8Array => encodePlain([m]);

/** Reads one connection's frames, whatever the cuts between chunks. */
export class StreamDecoder {
  readonly #queue = new ByteQueue();
  readonly #read: (out: Message[]) => boolean;
  readonly #limit: number;
  readonly #local: MemberId;
  readonly #remote: MemberId;
  #term = 0 as Term;
  #index = 0 as Index;
  /** Of the frame being read: its kind, its entries so far and how many are to come. */
  #frame: number | undefined;
  #entries: Entry[] | undefined;
  #left = 0;
  /** Length of what comes next, once it is known. */
  #size: number | undefined;

  /** `limit`: the largest message or entry accepted, in bytes. */
  constructor(kind: StreamKind, ends: { local: MemberId; remote: MemberId }, limit: number) {
    this.#read = kind === "message" ? this.#readPlain : this.#readMsgApp;
    this.#local = ends.local;
    this.#remote = ends.remote;
    this.#limit = limit;
  }

  /**
   * Takes a chunk and appends every message that is complete. Throws Error or ProtoError for a
   * malformed stream, which cannot be read on then.
   */
  push(chunk: Buffer, out: Message[]): void {
    this.#queue.push(chunk);
    while (this.#read(out));
  }

  /** Reads a message behind its length; true when one was read. */
  #readPlain = (out: Message[]): boolean => {
    const body = this.#sized();
    if (body === undefined) return false;
    const m = raftpb.decodeMessage(body);
    if (!isLinkHeartbeat(m)) out.push(m);
    return true;
  };

  #readMsgApp = (out: Message[]): boolean => {
    if (this.#frame === undefined) {
      this.#frame = this.#queue.u8();
      if (this.#frame === undefined) return false;
    }
    switch (this.#frame) {
      case kindHeartbeat:
        break;
      case kindEntries: {
        const m = this.#readEntries();
        if (m === undefined) return false;
        out.push(m);
        break;
      }
      case kindMessage: {
        const body = this.#sized();
        if (body === undefined) return false;
        const m = raftpb.decodeMessage(body);
        this.#term = m.term;
        this.#index = m.entries.at(-1)?.index ?? m.index;
        out.push(m);
        break;
      }
      default:
        throw new Error(`failed to parse type ${this.#frame} in msgappv2 stream`);
    }
    this.#frame = undefined;
    return true;
  };

  #readEntries(): Message | undefined {
    if (this.#entries === undefined) {
      const n = this.#queue.u64();
      if (n === undefined) return undefined;
      this.#left = n;
      this.#entries = [];
    }
    while (this.#left > 0) {
      const body = this.#sized();
      if (body === undefined) return undefined;
      this.#entries.push(raftpb.readEntry(new Reader(body)));
      this.#left--;
    }
    const commit = this.#queue.u64();
    if (commit === undefined) return undefined;
    const m = raftpb.newMessage({
      type: MessageType.MsgApp,
      from: this.#remote,
      to: this.#local,
      term: this.#term,
      logTerm: this.#term,
      index: this.#index,
      entries: this.#entries,
      commit: commit as Index,
    });
    this.#index = (this.#index + m.entries.length) as Index;
    this.#entries = undefined;
    return m;
  }

  /** The bytes behind a u64 length, once all are there. */
  #sized(): Buffer | undefined {
    if (this.#size === undefined) {
      this.#size = this.#queue.u64();
      if (this.#size === undefined) return undefined;
      if (this.#size > this.#limit) throw new Error("rafthttp: error limit exceeded");
    }
    const body = this.#queue.take(this.#size);
    if (body !== undefined) this.#size = undefined;
    return body;
  }
}

/** Roughly what a message costs on the wire, for bounds: exact sizes are not worth the time. */
export function messageCost(m: Message): number {
  let bytes = 64 + m.context.byteLength;
  for (const e of m.entries) bytes += 32 + e.data.byteLength;
  return bytes;
}

function encodePlain(messages: readonly Message[], before = 0, after = 0): Buffer {
  let size = before + after;
  for (const m of messages) size += 8 + raftpb.sizeMessage(m);
  const w = new Writer(size);
  w.pos = before;
  for (const m of messages) {
    writeU64(w, raftpb.sizeMessage(m));
    raftpb.writeMessage(m, w);
  }
  return w.bytes;
}

function entriesFrameSize(m: Message): number {
  let size = 17;
  for (const e of m.entries) size += 8 + raftpb.sizeEntry(e);
  return size;
}

function writeEntriesFrame(w: Writer, m: Message): void {
  w.bytes[w.pos++] = kindEntries;
  writeU64(w, m.entries.length);
  for (const e of m.entries) {
    writeU64(w, raftpb.sizeEntry(e));
    raftpb.writeEntry(e, w);
  }
  writeU64(w, m.commit);
}

function writeU64(w: Writer, value: number): void {
  w.pos = w.bytes.writeUInt32BE(Math.floor(value / 4294967296), w.pos);
  w.pos = w.bytes.writeUInt32BE(value >>> 0, w.pos);
}

/**
 * The server's end of a websocket. Source: RFC 6455. No extensions; text and binary messages alike.
 *
 * ```
 * byte 0: FIN 1 | RSV 3 | opcode 4     opcodes: 0 go on, 1 text, 2 binary, 8 close, 9 ping, 10 pong
 * byte 1: MASK 1 | length 7            126: two more bytes of length, 127: eight
 * mask:   4 bytes, in every frame of a client (section 5.1)
 * ```
 */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** RFC 6455 section 1.3. */
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const controlBytesMax = 125;
/** Pieces of one message, those of nothing aside: each costs more to hold than its bytes. */
const partsMax = 1024;

export const CloseCode = { normal: 1000, protocol: 1002, tooBig: 1009, internal: 1011 } as const;

const Opcode = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Whether a request asks for a websocket (section 4.2.1). What is wrong about it is said by `handshake`. */
export const isWebSocketUpgrade = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === "websocket" &&
  /(^|,)\s*upgrade\s*(,|$)/i.test(headers.connection ?? "");

/** The head of the answer, or why there is none. `protocol`: the subprotocol that is spoken. */
export function handshake(
  { method, headers }: IncomingMessage,
  protocol: string | undefined,
): { readonly head: string } | { readonly problem: string } {
  if (method !== "GET") return { problem: "a websocket begins with GET" };
  if (headers["sec-websocket-version"] !== "13")
    return { problem: "Sec-WebSocket-Version must be 13" };
  const key = headers["sec-websocket-key"] ?? "";
  if (Buffer.from(key, "base64").byteLength !== 16) {
    return { problem: "Sec-WebSocket-Key must be 16 bytes in base64" };
  }
  const accept = createHash("sha1").update(`${key}${guid}`).digest("base64");
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${accept}`,
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
  ];
  return { head: `${lines.join("\r\n")}\r\n\r\n` };
}

export interface SocketSink {
  message(payload: Buffer): void;
  /** Gone, whoever ended it; nothing comes after it. */
  closed(): void;
  /** What was sent has left. */
  drained(): void;
}

/** The longest: opcode, length of eight bytes, mask. */
const headBytesMax = 14;

/** Owns the socket, whose handshake is done. */
export class WebSocketEnd {
  readonly #socket: Duplex;
  readonly #sink: SocketSink;
  readonly #messageBytesMax: number;
  /** The head of the frame that comes now; #headHave bytes of it are there. */
  readonly #head = Buffer.alloc(headBytesMax);
  #headHave = 0;
  /** Room for its payload, once the head is there; #payloadHave bytes of it are, still masked. */
  #payload: Buffer | undefined;
  #payloadHave = 0;
  /** Whether a message has begun that goes on; what is there of it. */
  #isAmidMessage = false;
  #parts: Buffer[] = [];
  #partBytes = 0;
  #isOver = false;
  /** Why nothing is read: the owner asked for it; the client reads no answers to its pings. */
  #isHeld = false;
  #isFull = false;

  /** `messageBytesMax` bounds a message, and with it what is held. */
  constructor(socket: Duplex, messageBytesMax: number, sink: SocketSink) {
    this.#socket = socket;
    this.#sink = sink;
    this.#messageBytesMax = messageBytesMax;
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    socket.on("drain", () => sink.drained());
    socket.on("error", () => undefined);
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      this.#isOver = true;
      sink.closed();
    });
  }

  /** False when the client does not read: until `drained`. */
  send(text: string): boolean {
    return this.#isOver || this.#write(Opcode.text, Buffer.from(text));
  }

  pause(): void {
    this.#isHeld = true;
    this.#flow();
  }

  resume(): void {
    this.#isHeld = false;
    this.#flow();
  }

  /** Behind what was sent; then the connection ends. The client's own close frame is not waited for. */
  close(code: number): void {
    if (this.#isOver) return;
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#write(Opcode.close, payload);
    this.#isOver = true;
    this.#socket.end(() => this.#socket.destroy());
  }

  #receive(bytes: Buffer): void {
    let at = 0;
    while (!this.#isOver) {
      at = this.#payload === undefined ? this.#fillHead(bytes, at) : at;
      const payload = this.#payload;
      if (payload === undefined) return;
      const taken = bytes.copy(payload, this.#payloadHave, at);
      at += taken;
      this.#payloadHave += taken;
      if (this.#payloadHave < payload.byteLength) return;
      const mask = this.#head.subarray(this.#headHave - 4, this.#headHave);
      for (let i = 0; i < payload.byteLength; i++) {
        payload[i] = (payload[i] as number) ^ (mask[i & 3] as number);
      }
      this.#payload = undefined;
      this.#payloadHave = 0;
      this.#headHave = 0;
      this.#take(this.#head[0] as number, payload);
    }
  }

  /** Takes what belongs to the head; once that is whole it makes room for the payload, or closes. */
  #fillHead(bytes: Buffer, from: number): number {
    let at = from;
    for (;;) {
      const wanted = this.#headHave < 2 ? 2 : headBytes(this.#head);
      const until = Math.min(at + wanted - this.#headHave, bytes.byteLength);
      this.#headHave += bytes.copy(this.#head, this.#headHave, at, until);
      at = until;
      if (this.#headHave < wanted) return at;
      const problem = this.#headHave === 2 ? this.#problem() : undefined;
      if (problem !== undefined) {
        this.close(problem);
        return at;
      }
      if (this.#headHave > 2) break;
    }
    const length = payloadBytes(this.#head);
    if (this.#partBytes + length > this.#messageBytesMax) this.close(CloseCode.tooBig);
    else this.#payload = Buffer.allocUnsafe(length);
    return at;
  }

  /** Why the first two bytes of a head may not be so: section 5.2, 5.1, 5.5. */
  #problem(): number | undefined {
    const [first, second] = [this.#head[0] as number, this.#head[1] as number];
    const opcode = first & 15;
    const isControl = opcode >= Opcode.close;
    const isLast = first >= 128;
    const isKnown = opcode <= Opcode.binary || (isControl && opcode <= Opcode.pong);
    const goesOn = opcode === Opcode.more;
    // Bits of extensions, unmasked frames, fragments of control frames.
    if ((first & 0x70) !== 0 || second < 128 || !isKnown) return CloseCode.protocol;
    if (isControl && (!isLast || (second & 127) > controlBytesMax)) return CloseCode.protocol;
    if (!isControl && goesOn !== this.#isAmidMessage) return CloseCode.protocol;
    return undefined;
  }

  #take(first: number, payload: Buffer): void {
    const isLast = first >= 128;
    const opcode = first & 15;
    if (opcode === Opcode.close) {
      const code = payload.byteLength >= 2 ? payload.readUInt16BE(0) : CloseCode.normal;
      this.close(code);
    } else if (opcode === Opcode.ping) {
      // A client that floods with pings and reads nothing is not read either.
      if (!this.#write(Opcode.pong, payload)) this.#waitForRoom();
    } else if (opcode !== Opcode.pong) {
      this.#isAmidMessage = !isLast;
      if (payload.byteLength > 0) this.#parts.push(payload);
      this.#partBytes += payload.byteLength;
      if (this.#parts.length > partsMax) this.close(CloseCode.tooBig);
      if (!isLast || this.#isOver) return;
      const message = Buffer.concat(this.#parts);
      this.#parts = [];
      this.#partBytes = 0;
      this.#sink.message(message);
    }
  }

  #waitForRoom(): void {
    if (this.#isFull) return;
    this.#isFull = true;
    this.#flow();
    this.#socket.once("drain", () => {
      this.#isFull = false;
      this.#flow();
    });
  }

  #flow(): void {
    if (this.#isHeld || this.#isFull) this.#socket.pause();
    else this.#socket.resume();
  }

  #write(opcode: number, payload: Buffer): boolean {
    const length = payload.byteLength;
    const head = Buffer.alloc(length > 65_535 ? 10 : length > controlBytesMax ? 4 : 2);
    head[0] = 128 | opcode;
    head[1] = length > 65_535 ? 127 : length > controlBytesMax ? 126 : length;
    if (length > 65_535) head.writeBigUInt64BE(BigInt(length), 2);
    else if (length > controlBytesMax) head.writeUInt16BE(length, 2);
    this.#socket.cork();
    this.#socket.write(head);
    const hasRoom = this.#socket.write(payload);
    this.#socket.uncork();
    return hasRoom;
  }
}

/** Of a client's head, by its first two bytes. */
function headBytes(head: Buffer): number {
  const short = (head[1] as number) & 127;
  return short === 127 ? 14 : short === 126 ? 8 : 6;
}

function payloadBytes(head: Buffer): number {
  const short = (head[1] as number) & 127;
  if (short === 127) return Number(head.readBigUInt64BE(2));
  return short === 126 ? head.readUInt16BE(2) : short;
}

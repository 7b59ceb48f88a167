/** Messages of one call on their way out: where the next byte comes from. */
import { Gzipped } from "./compression.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { LentMessage } from "./lent-message.ts";
import type { MessageBytes } from "./types.ts";

const prefixBytes = 5;
/** Sent messages that may stay in the list before it is cut. */
const keptSent = 1024;
const noMessage = new Uint8Array(0);

type Queued = MessageBytes | Gzipped;

export class SendQueue {
  /** Message bytes not yet written, prefixes aside. */
  bytes = 0;
  /** Bytes not yet written of all messages, prefixes included. */
  left = 0;
  /** The message being sent, and those behind it from #first on. */
  #current: MessageBytes | undefined = undefined;
  #behind: Queued[] | undefined = undefined;
  #first = 0;
  /** Of the message being sent: what is left with its prefix, and how long it is without. */
  #currentLeft = 0;
  #length = 0;
  #compressed = 0;
  #part = 0;
  #partOffset = 0;

  /** True when a message has gone out in part: the stream can then only be reset. */
  get midMessage(): boolean {
    return this.#current !== undefined && this.#currentLeft < this.#length + prefixBytes;
  }

  /** Takes a message of so many bytes as they go out. */
  push(message: Queued, bytes: number): void {
    this.bytes += bytes;
    this.left += bytes + prefixBytes;
    if (this.#current === undefined) this.#begin(message, bytes);
    else if (this.#behind === undefined) this.#behind = [message];
    else this.#behind.push(message);
  }

  /** Takes a body without a prefix, as the only one. */
  pushRaw(body: Uint8Array): void {
    this.bytes += body.length;
    this.#begin(body, body.length);
    this.#currentLeft = body.length;
    this.left = body.length;
  }

  /**
   * Writes the next `n` <= left bytes, of as many messages as they are: short ones share a DATA
   * frame, which costs both sides less. Returns how many bytes were not prefix.
   */
  write(w: FrameWriter, n: number): number {
    let todo = n;
    let written = 0;
    while (todo > 0) {
      const some = Math.min(todo, this.#currentLeft);
      written += this.#writeCurrent(w, some);
      todo -= some;
    }
    this.left -= n;
    this.bytes -= written;
    return written;
  }

  clear(): void {
    this.bytes = 0;
    this.left = 0;
    this.#currentLeft = 0;
    this.#length = 0;
    this.#current = undefined;
    this.#behind = undefined;
    this.#first = 0;
  }

  /** Writes the next `n` bytes of the message being sent; returns how many were not prefix. */
  #writeCurrent(w: FrameWriter, n: number): number {
    let todo = n;
    const prefixLeft = this.#currentLeft - this.#length;
    if (prefixLeft > 0) todo -= this.#writePrefix(w, Math.min(prefixLeft, todo));
    const written = todo;
    this.#currentLeft -= n;
    const current = this.#current!;
    while (todo > 0) {
      const part = current instanceof Uint8Array ? current : current[this.#part]!;
      const room = part.length - this.#partOffset;
      const take = Math.min(room, todo);
      w.append(
        take === part.length ? part : part.subarray(this.#partOffset, this.#partOffset + take),
      );
      todo -= take;
      if (take === room) {
        this.#part++;
        this.#partOffset = 0;
      } else {
        this.#partOffset += take;
      }
    }
    if (this.#currentLeft === 0) {
      if (current instanceof LentMessage) w.lent(current);
      this.#next();
    }
    return written;
  }

  #begin(message: Queued, bytes: number): void {
    const compressed = message instanceof Gzipped;
    this.#compressed = compressed ? 1 : 0;
    this.#current = compressed ? message.bytes : message;
    this.#part = 0;
    this.#partOffset = 0;
    this.#length = bytes;
    this.#currentLeft = bytes + prefixBytes;
  }

  #next(): void {
    this.#current = undefined;
    const behind = this.#behind;
    if (behind === undefined) return;
    const next = behind[this.#first]!;
    behind[this.#first++] = noMessage;
    if (this.#first >= behind.length) {
      this.#behind = undefined;
      this.#first = 0;
    } else if (this.#first >= keptSent) {
      behind.splice(0, this.#first);
      this.#first = 0;
    }
    this.#begin(next, queuedLength(next));
  }

  /** Returns how many of the prefix's bytes were written: at most `most`. */
  #writePrefix(w: FrameWriter, most: number): number {
    const from = prefixBytes - (this.#currentLeft - this.#length);
    w.reserve(prefixBytes);
    for (let i = from; i < from + most; i++) {
      w.buffer[w.at++] = i === 0 ? this.#compressed : this.#length >>> (8 * (prefixBytes - 1 - i));
    }
    return most;
  }
}

export function queuedLength(message: Queued): number {
  if (message instanceof Uint8Array) return message.length;
  if (message instanceof Gzipped) return message.bytes.length;
  let bytes = 0;
  for (const part of message) bytes += part.length;
  return bytes;
}

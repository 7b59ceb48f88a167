/** What a client's connection has to say: control frames, then its calls in turn within windows. */
import type { FrameWriter } from "../frame-writer.ts";
import {
  defaultWindowBytes,
  Flag,
  FrameType,
  frameHeaderBytes,
  maxFrameBytes,
  maxWindowBytes,
  putFrameHeader,
} from "../wire.ts";
import type { ClientCall } from "./call.ts";
import { writeRequestHead } from "./request-head.ts";

/** What one call may write before the next has its turn, and all of them before the loop has. */
const callQuantumBytes = 64 * 1024;
const flushBytes = 1024 * 1024;

/** HPACK's table, which we never use, until the server wants a smaller one. */
const defaultTableBytes = 4096;

export class ClientOutbox {
  /** The server's limits. */
  maxFrameBytes: number = maxFrameBytes;
  maxStreams: number = Number.POSITIVE_INFINITY;
  initialWindowBytes: number = defaultWindowBytes;
  tableBytes: number = defaultTableBytes;
  /** Bytes that the server takes on the whole connection. */
  window: number = defaultWindowBytes;

  readonly #isSecure: boolean;
  readonly #number: (call: ClientCall) => boolean;
  /** Of control frames that have not gone out; bounded by the connection. */
  controlBytes = 0;
  #control: Uint8Array[] = [];
  /** Calls that have something to send; in order, the ones without an id first come first served. */
  readonly #ready = new Set<ClientCall>();
  /** How many of them have no id: their HEADERS have not gone out. */
  #unsent = 0;
  #isTableDropped = false;

  /** `number` gives a call its id; false when the server allows no more calls at once. */
  constructor(isSecure: boolean, number: (call: ClientCall) => boolean) {
    this.#isSecure = isSecure;
    this.#number = number;
  }

  get unsentCount(): number {
    return this.#unsent;
  }

  /** Calls of which the server knows nothing yet. */
  unsent(): ClientCall[] {
    return this.#unsent === 0 ? [] : [...this.#ready].filter(({ id }) => id === 0);
  }

  control(frame: Uint8Array): void {
    this.#control.push(frame);
    this.controlBytes += frame.length;
  }

  wake(call: ClientCall): void {
    if (call.ended || call.halfClosed || this.#ready.has(call)) return;
    this.#ready.add(call);
    if (call.id === 0) this.#unsent++;
  }

  forget(call: ClientCall): void {
    if (this.#ready.delete(call) && call.id === 0) this.#unsent--;
  }

  clear(): void {
    this.#control = [];
    this.#ready.clear();
    this.#unsent = 0;
  }

  /** False when the server opened the window beyond what the protocol allows. */
  openWindow(bytes: number): boolean {
    this.window += bytes;
    return this.window <= maxWindowBytes;
  }

  /** Lays out what may go. True: there is more that may, in a later turn. */
  flush(w: FrameWriter): boolean {
    for (const frame of this.#control) w.append(frame);
    this.#control = [];
    this.controlBytes = 0;
    // Who goes behind the others is met again in the same loop.
    for (const call of this.#ready) {
      if (w.bytes >= flushBytes) return true;
      if (call.id !== 0 || this.#begin(call, w)) this.#write(call, w);
    }
    return false;
  }

  #begin(call: ClientCall, w: FrameWriter): boolean {
    if (!this.#number(call)) return false;
    this.#unsent--;
    call.sendWindow = this.initialWindowBytes;
    const dropsTable = this.tableBytes < defaultTableBytes && !this.#isTableDropped;
    this.#isTableDropped ||= dropsTable;
    writeRequestHead(w, call.id, this.#isSecure, call.fields, this.maxFrameBytes, dropsTable);
    return true;
  }

  #write(call: ClientCall, w: FrameWriter): void {
    const { queue } = call;
    let quantum = callQuantumBytes;
    while (queue.left > 0) {
      if (this.window <= 0) return;
      if (call.sendWindow <= 0) {
        this.#ready.delete(call);
        return;
      }
      if (quantum <= 0) {
        this.#ready.delete(call);
        this.#ready.add(call);
        return;
      }
      const n = Math.min(queue.left, call.sendWindow, this.window, this.maxFrameBytes);
      this.#data(call, w, n);
      call.sendWindow -= n;
      this.window -= n;
      quantum -= n;
    }
    if (call.isLast && !call.halfClosed) this.#data(call, w, 0);
    this.#ready.delete(call);
  }

  /** The next `n` bytes of the call's queue; the last ones carry END_STREAM. */
  #data(call: ClientCall, w: FrameWriter, n: number): void {
    w.reserve(frameHeaderBytes);
    const { buffer, at } = w;
    w.at = putFrameHeader(buffer, at, n, FrameType.data, 0, call.id);
    if (n > 0) call.queue.write(w, n);
    if (!call.isLast) return;
    call.halfClosed = true;
    buffer[at + 4] = Flag.endStream;
  }
}

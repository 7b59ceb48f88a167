// Random conversations of a client, proper ones and damaged ones, from a seed.

import { gzipSync } from "node:zlib";
import { frame, grpcMessage, headerBlock, requestFields } from "./fixture.ts";

/** Numbers below n. */
export type Below = (n: number) => number;

/** A small generator with a seed, so that a failure can be run again. */
export function generator(seed: number): Below {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return (n) => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

export interface Conversation {
  /** Behind the preface. */
  readonly frames: Buffer[];
  /** By stream: the bytes of the messages that must come back. */
  readonly echoes: ReadonlyMap<number, number>;
}

export const preface: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

const word = (n: number): Buffer => {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(n);
  return b;
};
const pool = ((): Buffer => {
  const below = generator(0);
  return Buffer.from(Array.from({ length: 128 * 1024 }, () => below(256)));
})();
/** n <= 64 KiB bytes out of the pool: drawing each would take longer than all the rest. */
const junk = (below: Below, n: number): Buffer => {
  const from = below(pool.length - n);
  return pool.subarray(from, from + n);
};

/** Calls to /t.T/Echo and /t.T/Stream, whole or in pieces, with all that may stand between them. */
export function conversation(below: Below): Conversation {
  const settings = Buffer.concat([word(4).subarray(2), word(1_000_000)]);
  const frames = [frame(4, 0, 0, settings), frame(8, 0, 0, word(2 ** 30))];
  const echoes = new Map<number, number>();
  const calls = 1 + below(6);
  for (let i = 0, id = 1; i < calls; i++, id += 2 + 2 * below(2)) {
    const isStream = below(3) === 0;
    const gzip = !isStream && below(8) === 0;
    const bodies = Array.from({ length: isStream ? below(5) : 1 }, () =>
      junk(below, below(below(6) === 0 ? 40_000 : 50)),
    );
    const messages = bodies.map((body) => message(body, gzip));
    if (!gzip)
      echoes.set(
        id,
        messages.reduce((sum, m) => sum + m.length, 0),
      );
    const fields = requestFields(isStream ? "/t.T/Stream" : "/t.T/Echo");
    if (gzip) fields.push(["grpc-encoding", "gzip"]);
    if (below(4) === 0) fields.push(["x-more", "y".repeat(below(100))]);
    frames.push(...headers(below, id, headerBlock(fields)));
    frames.push(...pieces(below, id, Buffer.concat(messages)));
    if (below(3) === 0) frames.push(between(below, id));
  }
  return { frames, echoes };
}

function message(body: Buffer, gzip: boolean): Buffer {
  const whole = grpcMessage(gzip ? gzipSync(body) : body);
  if (gzip) whole[0] = 1;
  return whole;
}

function headers(below: Below, id: number, block: Buffer): Buffer[] {
  if (below(4) > 0) return [frame(1, 4, id, block)];
  const at = below(block.length);
  return [frame(1, 0, id, block.subarray(0, at)), frame(9, 4, id, block.subarray(at))];
}

function pieces(below: Below, id: number, bytes: Buffer): Buffer[] {
  const most = below(2) === 0 ? 16_000 : 1 + below(16_000);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += most) {
    const piece = bytes.subarray(at, at + most);
    const isLast = at + most >= bytes.length;
    if (below(4) > 0) {
      out.push(frame(0, isLast ? 1 : 0, id, piece));
      continue;
    }
    const padding = below(100);
    const padded = Buffer.concat([Buffer.from([padding]), piece, Buffer.alloc(padding)]);
    out.push(frame(0, isLast ? 9 : 8, id, padded));
  }
  if (out.length === 0) out.push(frame(0, 1, id, ""));
  return out;
}

function between(below: Below, id: number): Buffer {
  switch (below(5)) {
    case 0:
      return frame(2, 0, id, Buffer.from([0, 0, 0, 0, 16]));
    case 1:
      return frame(4, 0, 0, Buffer.concat([word(1).subarray(2), word(below(8192))]));
    case 2:
      return frame(8, 0, id, word(1 + below(100_000)));
    case 3:
      return frame(11, below(256), id, junk(below, below(30)));
    default:
      // More than a few pings at once would be an attack.
      return id < 6 ? frame(6, 0, 0, junk(below, 8)) : frame(8, 0, 0, word(1));
  }
}

/** Damages a conversation in one to four places. */
export function damage(
  below: Below,
  frames: readonly Buffer[],
  others: readonly Buffer[],
): Buffer[] {
  let out: Buffer[] = frames.map((f) => Buffer.from(f));
  for (let n = 1 + below(4); n > 0; n--) out = damageOnce(below, out, others);
  return out;
}

function damageOnce(below: Below, frames: Buffer[], others: readonly Buffer[]): Buffer[] {
  const at = below(frames.length);
  const hit = frames[at] ?? Buffer.alloc(9);
  switch (below(10)) {
    case 0:
      return frames.toSpliced(at, 1);
    case 1:
      return frames.toSpliced(at, 0, hit);
    case 2:
      return frames.toSpliced(at, 1).toSpliced(below(frames.length), 0, hit);
    case 3:
      return frames.toSpliced(at, 0, others[below(others.length)] ?? hit);
    case 4:
      return frames.toSpliced(at, 1, hit.subarray(0, below(hit.length + 1)));
    case 5:
      return frames.toSpliced(
        at,
        0,
        frame(below(12), below(256), below(16), junk(below, below(40))),
      );
    case 6:
      return frames.toSpliced(at, 0, frame(3, 0, 1 + 2 * below(6), word(below(16))));
    case 7:
      // Type, flags or stream of a frame.
      hit[3 + below(6)] = below(256);
      return frames;
    case 8:
      hit[below(9)]! ^= 1 << below(8);
      return frames;
    default:
      for (let n = 1 + below(3); n > 0; n--) hit[below(hit.length)] = below(256);
      return frames;
  }
}

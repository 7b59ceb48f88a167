/** Frames of a connection as a whole, laid out. */
import type { Limits } from "./types.ts";
import {
  type ErrorCode,
  FrameType,
  frameHeaderBytes,
  putFrameHeader,
  putUint32,
  Setting,
} from "./wire.ts";

/** From here on a limit is not worth telling. */
const unlimited = 2 ** 31 - 1;

/** A frame on stream 0. */
export function frameOf(type: number, flags: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(frameHeaderBytes + payload.length);
  frame.set(payload, putFrameHeader(frame, 0, payload.length, type, flags, 0));
  return frame;
}

/** What we say first (RFC 9113 section 6.5.2). */
export function settingsFrame(limits: Limits): Uint8Array {
  const { concurrentStreams, headerListBytes, streamWindowBytes } = limits;
  const pairs = [
    ...(concurrentStreams < unlimited ? [[Setting.maxConcurrentStreams, concurrentStreams]] : []),
    [Setting.initialWindowSize, streamWindowBytes],
    [Setting.maxHeaderListSize, headerListBytes],
  ] as [name: number, value: number][];
  const payload = Buffer.alloc(6 * pairs.length);
  pairs.forEach(([name, value], i) => {
    payload[6 * i + 1] = name;
    putUint32(payload, 6 * i + 2, value);
  });
  return frameOf(FrameType.settings, 0, payload);
}

/** The end of a connection, with a text for whoever debugs the client. */
export function goAwayFrame(lastId: number, code: ErrorCode, message: string): Uint8Array {
  const text = Buffer.from(message, "latin1");
  const payload = Buffer.alloc(8 + text.length);
  putUint32(payload, 0, lastId);
  putUint32(payload, 4, code);
  text.copy(payload, 8);
  return frameOf(FrameType.goAway, 0, payload);
}

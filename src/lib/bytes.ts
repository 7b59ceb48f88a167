/**
 * Byte strings: comparison and the latin1 form used as map keys. latin1 by `Buffer` keeps byte
 * order; `TextDecoder("latin1")` is windows-1252 and would break it.
 */

export const emptyBytes: Uint8Array = new Uint8Array(0);

/** A Buffer over the same memory; no copy. */
export const asBuffer = (b: Uint8Array): Buffer =>
  Buffer.isBuffer(b) ? b : Buffer.from(b.buffer, b.byteOffset, b.byteLength);

/** Byte-wise order: negative, zero or positive. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b);

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && Buffer.compare(a, b) === 0;

/** One character per byte; the order of these strings is the order of the bytes. */
export const toLatin1 = (b: Uint8Array): string => asBuffer(b).toString("latin1");

export const fromLatin1 = (s: string): Uint8Array => Buffer.from(s, "latin1");

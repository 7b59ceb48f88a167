/**
 * V8's profiles in pprof's format (github.com/google/pprof proto/profile.proto), gzipped, so that `go tool
 * pprof` and everything built on it read them.
 *
 *     Profile   sample_type 1, sample 2, location 4, function 5, string_table 6, time_nanos 9,
 *               duration_nanos 10, period_type 11, period 12
 *     ValueType type 1, unit 2          Sample   location_id 1 (packed), value 2 (packed)
 *     Location  id 1, line 4            Line     function_id 1, line 2
 *     Function  id 1, name 2, system_name 3, filename 4, start_line 5
 */
import { gzipSync } from "node:zlib";

/** A function on the stack, as V8 names it; its line counts from 0. */
export interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

/** A stack, innermost frame first, and what was counted there. */
export interface Sample {
  readonly stack: readonly Frame[];
  readonly values: readonly number[];
}

export interface Profile {
  /** What each of a sample's values is: type and unit. */
  readonly types: readonly (readonly [type: string, unit: string])[];
  readonly samples: readonly Sample[];
  readonly periodType: readonly [type: string, unit: string];
  readonly period: number;
  /** Unix milliseconds. */
  readonly atMs: number;
  readonly durationMs: number;
}

export function encodeProfile(p: Profile): Uint8Array {
  const strings = new Numbering<string>([""]);
  const functions = new Numbering<Frame>([], (f) => `${f.functionName}\n${f.url}\n${f.lineNumber}`);
  const valueType = ([type, unit]: readonly [string, string]): Buffer =>
    message(number(1, strings.of(type)), number(2, strings.of(unit)));
  const parts = p.types.map((t) => nested(1, valueType(t)));
  for (const { stack, values } of p.samples) {
    // Each function is its own only location; numbers begin at 1.
    const locations = stack.map((f) => functions.of(f) + 1);
    parts.push(nested(2, message(packed(1, locations), packed(2, values))));
  }
  functions.all.forEach((f, i) => {
    const line = f.lineNumber + 1;
    const name = strings.of(f.functionName || "(anonymous)");
    const place = nested(4, message(number(1, i + 1), number(2, line)));
    parts.push(nested(4, message(number(1, i + 1), place)));
    const file = number(4, strings.of(f.url));
    const what = message(number(1, i + 1), number(2, name), number(3, name), file, number(5, line));
    parts.push(nested(5, what));
  });
  parts.push(number(9, p.atMs * 1e6), number(10, p.durationMs * 1e6));
  parts.push(nested(11, valueType(p.periodType)), number(12, p.period));
  for (const s of strings.all) parts.push(nested(6, Buffer.from(s)));
  return gzipSync(Buffer.concat(parts));
}

/** Numbers things in the order in which they are first seen, from 0. */
class Numbering<T> {
  readonly all: T[];
  readonly #numbers = new Map<unknown, number>();
  readonly #key: (t: T) => unknown;

  constructor(first: T[], key: (t: T) => unknown = (t) => t) {
    this.all = first;
    this.#key = key;
    for (const [i, t] of first.entries()) this.#numbers.set(key(t), i);
  }

  of(t: T): number {
    const key = this.#key(t);
    let n = this.#numbers.get(key);
    if (n === undefined) {
      n = this.all.push(t) - 1;
      this.#numbers.set(key, n);
    }
    return n;
  }
}

const message = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);

const number = (field: number, n: number): Buffer =>
  message(varint(field * 8), varint(Math.max(0, Math.round(n))));

const nested = (field: number, bytes: Buffer): Buffer =>
  message(varint(field * 8 + 2), varint(bytes.byteLength), bytes);

const packed = (field: number, numbers: readonly number[]): Buffer =>
  nested(field, message(...numbers.map((n) => varint(Math.max(0, Math.round(n))))));

/** Of whole numbers beyond 2^53, too: nanoseconds of today are. */
function varint(n: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(n);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

// Every field of every request at its edges, made from the .proto files: a new field is asked about
// by itself.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { bytesField, numberField, tag, varint } from "./raw.ts";

const schema = join(import.meta.dirname, "../../../src/proto/schema");

export const root = new protobuf.Root();
for (const name of ["mvccpb", "authpb", "leasepb", "membershippb", "rpcpb"]) {
  protobuf.parse(readFileSync(join(schema, `${name}.proto`), "utf8"), root, { keepCase: true });
}

export const typeOf = (name: string): protobuf.Type => root.lookupType(`rpcpb.${name}`);

/** A question: what is odd about it, and the request's bytes. */
export interface Question {
  readonly what: string;
  readonly bytes: Buffer;
}

/**
 * A sound request of the type: what its edges are appended to. For scalars the last value counts, so
 * the rest of the request stays sound.
 */
const sound: Readonly<Record<string, () => Buffer>> = {
  RangeRequest: () => bytesField(1, Buffer.from("k")),
  PutRequest: () =>
    Buffer.concat([bytesField(1, Buffer.from("k")), bytesField(2, Buffer.from("v"))]),
  DeleteRangeRequest: () => bytesField(1, Buffer.from("d")),
  Compare: () => bytesField(3, Buffer.from("k")),
  RequestOp: () => bytesField(1, bytesField(1, Buffer.from("k"))),
  WatchCreateRequest: () => bytesField(1, Buffer.from("w")),
  LeaseGrantRequest: () => Buffer.concat([numberField(1, 100n), numberField(2, 77n)]),
  DowngradeRequest: () => bytesField(2, Buffer.from("1.0.0")),
};

const soundOf = (type: protobuf.Type): Buffer => sound[type.name]?.() ?? Buffer.alloc(0);

const maxInt64 = (1n << 63n) - 1n;
const numbers: readonly (readonly [string, bigint])[] = [
  ["0", 0n],
  ["1", 1n],
  ["-1", -1n],
  ["3", 3n],
  ["MaxInt32", (1n << 31n) - 1n],
  ["MinInt32", -(1n << 31n)],
  ["MaxInt32+1", 1n << 31n],
  ["MaxUint32+2", (1n << 32n) + 1n],
  ["2^53", 1n << 53n],
  ["MaxInt64", maxInt64],
  ["MaxInt64-1", maxInt64 - 1n],
  ["MinInt64", -(1n << 63n)],
];

const strings: readonly (readonly [string, Uint8Array])[] = [
  ["empty", Buffer.alloc(0)],
  ["a zero byte", Buffer.from([0])],
  ["two zero bytes", Buffer.from([0, 0])],
  ["invalid UTF-8", Buffer.from([0xff, 0xfe])],
  ["half a surrogate pair", Buffer.from([0xed, 0xa0, 0x80])],
  ["a truncated character", Buffer.from([0x61, 0xe2, 0x82])],
  ["U+10FFFF", Buffer.from([0xf4, 0x8f, 0xbf, 0xbf])],
  ["beyond U+10FFFF", Buffer.from([0xf4, 0x90, 0x80, 0x80])],
  ["64 KiB", Buffer.alloc(65536, 0x61)],
  ["more than a request may have", Buffer.alloc(1.6 * 2 ** 20, 0x62)],
];

/** Forms of one field that are not its own. */
function malformed(field: number, wire: 0 | 2): readonly (readonly [string, Buffer])[] {
  const other =
    wire === 0
      ? (["bytes for a number", bytesField(field, Buffer.from([1]))] as const)
      : (["a number for bytes", numberField(field, 5n)] as const);
  return [
    other,
    ["32 bits", Buffer.concat([tag(field, 5), Buffer.alloc(4, 1)])],
    ["64 bits", Buffer.concat([tag(field, 1), Buffer.alloc(8, 1)])],
    ["a group", Buffer.concat([tag(field, 3), tag(field, 4)])],
    ["a group without end", tag(field, 3)],
    ["an end of group", tag(field, 4)],
    ["wire type 6", tag(field, 6)],
    ["wire type 7", tag(field, 7)],
    ["a tag alone", tag(field, wire)],
    wire === 0
      ? [
          "eleven bytes of varint",
          Buffer.concat([tag(field, 0), Buffer.alloc(10, 0xff), Buffer.from([1])]),
        ]
      : ["a length beyond the end", Buffer.concat([tag(field, 2), varint(200n)])],
    wire === 0
      ? [
          "a varint of 70 bits",
          Buffer.concat([tag(field, 0), Buffer.alloc(9, 0xff), Buffer.from([0x7f])]),
        ]
      : ["a length of MaxUint64", Buffer.concat([tag(field, 2), varint(-1n)])],
    wire === 0
      ? [
          "a varint with idle bytes",
          Buffer.concat([tag(field, 0), Buffer.from([0x81, 0x80, 0x00])]),
        ]
      : ["a length of 2^31", Buffer.concat([tag(field, 2), varint(1n << 31n)])],
  ];
}

const unknown: readonly (readonly [string, Buffer])[] = [
  ["an unknown number", numberField(4000, 7n)],
  ["unknown bytes", bytesField(536870911, Buffer.from("?"))],
  ["an unknown group", Buffer.concat([tag(4001, 3), numberField(1, 1n), tag(4001, 4)])],
  ["field 0", numberField(0, 7n)],
  ["a field number above 2^29", Buffer.concat([varint(1n << 33n), Buffer.from([0])])],
];

/** How often a type may contain itself. */
const deepest = 1;

/** Pieces that make an edge when they are appended to a sound request of the type. */
function* edges(type: protobuf.Type, within: readonly string[]): Generator<[string, Buffer]> {
  for (const field of type.fieldsArray) {
    field.resolve();
    const { resolvedType } = field;
    if (resolvedType instanceof protobuf.Type) {
      const times = within.filter((name) => name === resolvedType.name).length;
      yield [`${field.name}: empty`, bytesField(field.id, Buffer.alloc(0))];
      for (const [what, bytes] of malformed(field.id, 2)) yield [`${field.name}: ${what}`, bytes];
      if (times >= deepest) continue;
      const base = soundOf(resolvedType);
      yield [`${field.name}: sound`, bytesField(field.id, base)];
      for (const [what, piece] of edges(resolvedType, [...within, resolvedType.name])) {
        yield [`${field.name}.${what}`, bytesField(field.id, Buffer.concat([base, piece]))];
      }
    } else if (field.type === "string" || field.type === "bytes") {
      for (const [what, b] of strings) yield [`${field.name}: ${what}`, bytesField(field.id, b)];
      for (const [what, bytes] of malformed(field.id, 2)) yield [`${field.name}: ${what}`, bytes];
    } else {
      for (const [what, n] of numbers) yield [`${field.name}: ${what}`, numberField(field.id, n)];
      for (const [what, bytes] of malformed(field.id, 0)) yield [`${field.name}: ${what}`, bytes];
      if (field.repeated) {
        const packed = Buffer.concat([varint(0n), varint(1n), varint(-1n)]);
        yield [`${field.name}: packed`, bytesField(field.id, packed)];
      }
    }
  }
  for (const [what, bytes] of unknown) yield [what, bytes];
}

/** All questions for one request type. */
export function* questionsFor(typeName: string): Generator<Question> {
  const type = typeOf(typeName);
  const base = soundOf(type);
  yield { what: "nothing at all", bytes: Buffer.alloc(0) };
  yield { what: "a sound request", bytes: base };
  for (let length = 1; length < base.length; length++) {
    yield { what: `truncated to ${length} bytes`, bytes: base.subarray(0, length) };
  }
  for (const [what, piece] of edges(type, [typeName])) {
    yield { what, bytes: Buffer.concat([base, piece]) };
  }
}

/** A txn within a txn, `depth` times; the innermost puts. */
export function nestedTxn(depth: number): Buffer {
  const put = Buffer.concat([bytesField(1, Buffer.from("deep")), bytesField(2, Buffer.from("v"))]);
  let op = bytesField(2, put);
  // TxnRequest.success of RequestOp.request_txn of ...
  for (let i = 0; i < depth; i++) op = bytesField(4, bytesField(2, op));
  return bytesField(2, op);
}

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeKeyValue,
  decodeRevisionKey,
  encodeKeyValue,
  encodeRevisionKey,
} from "../../../src/core/mvcc/index.ts";
import { encodeEvent, putEventOf } from "../../../src/core/mvcc/key-value.ts";
import { leaseId, noLease } from "../../../src/core/types.ts";
import { bytes } from "./fixture.ts";

const hex = (b: Uint8Array): string => Buffer.from(b).toString("hex");
const counter = fc.oneof(
  fc.nat(300),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(0, 127, 128, 16383, 16384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1),
);
const someBytes = fc.uint8Array({ maxLength: 300 });

test("encodeKeyValue() leaves defaults out and orders fields as Go does", () => {
  const all = encodeKeyValue(bytes("foo"), 2, 300, 3, bytes("bar"), leaseId(0x1234n));
  assert.equal(hex(all), "0a03666f6f100218ac0220032a0362617230b424");
  const tombstone = encodeKeyValue(bytes("k"), 0, 0, 0, bytes(""), noLease);
  assert.equal(hex(tombstone), "0a016b");
  const negative = encodeKeyValue(bytes("k"), 0, 0, 0, bytes(""), leaseId(-1n));
  assert.equal(hex(negative), "0a016b30ffffffffffffffffff01");
});

test("decodeKeyValue() gives back what encodeKeyValue() took", () => {
  fc.assert(
    fc.property(
      someBytes,
      counter,
      counter,
      counter,
      fc.oneof(
        someBytes,
        fc.nat(20_000).map((n) => new Uint8Array(n).fill(7)),
      ),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      (key, create, mod, version, value, lease) => {
        const encoded = encodeKeyValue(key, create, mod, version, value, leaseId(lease));
        const kv = decodeKeyValue(encoded);
        assert.deepEqual(Buffer.from(kv.key), Buffer.from(key));
        assert.deepEqual(Buffer.from(kv.value), Buffer.from(value));
        assert.deepEqual(
          [kv.createRevision, kv.modRevision, kv.version, kv.lease],
          [create, mod, version, lease],
        );
        assert.equal(hex(putEventOf(encoded)), hex(encodeEvent(false, encoded, undefined)));
      },
    ),
  );
});

test("decodeKeyValue() throws RangeError when bytes are cut off", () => {
  const whole = encodeKeyValue(bytes("foo"), 2, 300, 3, bytes("bar"), noLease);
  for (const cut of [2, 4, 6, 9, 11, 14]) {
    assert.throws(() => decodeKeyValue(whole.subarray(0, cut)), RangeError);
  }
});

test("encodeEvent() carries type, value and previous value", () => {
  const kv = encodeKeyValue(bytes("k"), 0, 5, 0, bytes(""), noLease);
  assert.equal(hex(encodeEvent(true, kv, undefined)), `08011205${hex(kv)}`);
  assert.equal(hex(encodeEvent(false, kv, kv)), `1205${hex(kv)}1a05${hex(kv)}`);
});

test("encodeRevisionKey() is etcd's 17 or 18 bytes, and decodes again", () => {
  assert.equal(hex(encodeRevisionKey(1, 2, false)), "00000000000000015f0000000000000002");
  assert.equal(hex(encodeRevisionKey(2 ** 40, 0, true)), "00000100000000005f000000000000000074");
  fc.assert(
    fc.property(counter, fc.nat(), fc.boolean(), (main, sub, tombstone) => {
      const decoded = decodeRevisionKey(encodeRevisionKey(main, sub, tombstone));
      assert.deepEqual(decoded, { main, sub, tombstone });
    }),
  );
});

test("decodeRevisionKey() throws RangeError for anything else", () => {
  for (const bad of [new Uint8Array(0), new Uint8Array(17), new Uint8Array(18).fill(0x5f)]) {
    assert.throws(() => decodeRevisionKey(bad), RangeError);
  }
});

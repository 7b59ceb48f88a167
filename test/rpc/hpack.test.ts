import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HpackDecoder } from "../../src/rpc/hpack.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

function decode(decoder: HpackDecoder, text: string): string[] {
  const block = hex(text);
  assert.equal(decoder.decode(block, 0, block.length), "ok", text);
  return decoder.fields;
}

const request = (scheme: string, path: string, ...more: string[]): string[] => [
  ...[":method", "GET", ":scheme", scheme, ":path", path, ":authority", "www.example.com"],
  ...more,
];

test("HpackDecoder decodes the requests of RFC 7541 C.3 and C.4, plain and Huffman coded", () => {
  const plain = [
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
  ];
  const huffman = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
  ];
  for (const blocks of [plain, huffman]) {
    const decoder = new HpackDecoder(65_536);
    assert.deepEqual(decode(decoder, blocks[0]!), request("http", "/"));
    assert.deepEqual(
      decode(decoder, blocks[1]!),
      request("http", "/", "cache-control", "no-cache"),
    );
    assert.deepEqual(
      decode(decoder, blocks[2]!),
      request("https", "/index.html", "custom-key", "custom-value"),
    );
  }
});

test("HpackDecoder evicts the oldest fields as RFC 7541 C.6 shows", () => {
  const decoder = new HpackDecoder(65_536);
  // The example's table has 256 bytes: a size update in front.
  decode(decoder, "3f e1 01");
  const date1 = "Mon, 21 Oct 2013 20:13:21 GMT";
  const first =
    "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6" +
    "2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
  assert.deepEqual(decode(decoder, first), [
    ...[":status", "302", "cache-control", "private", "date", date1],
    ...["location", "https://www.example.com"],
  ]);
  assert.deepEqual(decode(decoder, "4883 640e ffc1 c0bf"), [
    ...[":status", "307", "cache-control", "private", "date", date1],
    ...["location", "https://www.example.com"],
  ]);
  const third =
    "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab" +
    "77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f" +
    "9587 3160 65c0 03ed 4ee5 b106 3d50 07";
  assert.deepEqual(decode(decoder, third).slice(-4), [
    ...["content-encoding", "gzip", "set-cookie"],
    "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
  ]);
  // Five insertions, room for three.
  assert.equal(decoder.decode(hex("c1"), 0, 1), "bad");
});

test("HpackDecoder refuses what does not decode", () => {
  const bad: Readonly<Record<string, string>> = {
    "index 0": "80",
    "an index beyond the table": "be",
    "an integer without end": "ff ff ff ff ff ff ff ff",
    "a string beyond the block": "00 05 61",
    "a name cut short": "00",
    "a table larger than allowed": "3f e2 1f",
    "a table size after a field": "82 20",
    "Huffman padding with zeros": "00 81 18 00",
    "a byte of Huffman padding": "00 82 1f ff 00",
    "an end-of-string symbol": "00 84 ff ff ff ff 00",
  };
  for (const [what, text] of Object.entries(bad)) {
    const block = hex(text);
    assert.equal(new HpackDecoder(65_536).decode(block, 0, block.length), "bad", what);
  }
});

test("HpackDecoder cuts lists beyond the limit and stays in step", () => {
  const decoder = new HpackDecoder(100);
  // Three insertions of "k: v" (34 bytes each with overhead), then one more field by index.
  const insert = "40 01 6b 01 76";
  decode(decoder, insert + insert + insert);
  assert.equal(decoder.tooLarge, true);
  assert.deepEqual(decoder.fields, ["k", "v", "k", "v"]);
  assert.deepEqual(decode(decoder, "c0"), ["k", "v"]);
  assert.equal(decoder.tooLarge, false);
});

test("HpackDecoder never throws, whatever the bytes", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 10 }), (blocks) => {
      const decoder = new HpackDecoder(1000);
      for (const bytes of blocks) {
        const block = Buffer.from(bytes);
        if (decoder.decode(block, 0, block.length) === "bad") return;
        assert.equal(decoder.fields.length % 2, 0);
      }
    }),
    { numRuns: 2000 },
  );
});

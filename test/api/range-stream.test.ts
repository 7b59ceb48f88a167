import assert from "node:assert/strict";
import { test } from "node:test";
import { methods } from "../../src/client/index.ts";
import { rpcpb } from "../../src/proto/index.ts";
import { memberOptions, put, startMember, tempDir } from "../server/rig.ts";
import { Served } from "./rig.ts";

test("RangeStream sorts a short answer by the target of an unspecified order, a long one by key", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using served = await Served.of(member);
  const keys = Array.from({ length: 30 }, (_, i) => `k${String(i).padStart(2, "0")}`);
  for (const [i, key] of keys.entries()) await put(member, key, `v${String(99 - i)}`);

  const read = async (rangeEnd: string): Promise<string[]> => {
    const request = { key: Buffer.from("k"), rangeEnd: Buffer.from(rangeEnd) };
    const stream = served.stream(methods.rangeStream);
    stream.write(rpcpb.newRangeRequest({ ...request, sortTarget: rpcpb.SortTarget.VALUE }));
    stream.end();
    const got: string[] = [];
    for await (const { rangeResponse } of stream) {
      for (const { key } of rangeResponse?.kvs ?? []) got.push(Buffer.from(key).toString());
    }
    return got;
  };
  assert.deepEqual(await read("k06"), keys.slice(0, 6).reverse());
  assert.deepEqual(await read("l"), keys);
  await member.stop();
});

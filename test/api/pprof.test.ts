import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { cpuProfile, Pprof } from "../../src/api/admin/pprof.ts";
import { createClock } from "../../src/io/index.ts";

/** Numbers, one behind the other. */
function varints(bytes: Buffer): number[] {
  const all: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    let n = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++] as number;
      n += (byte & 127) * scale;
      if (byte < 128) break;
    }
    all.push(n);
  }
  return all;
}

/** Fields of one message, by number: bytes, and numbers as their bytes. */
function fields(bytes: Buffer): Map<number, Buffer[]> {
  const all = new Map<number, Buffer[]>();
  const end = (from: number): number => {
    let at = from;
    while ((bytes[at] as number) >= 128) at++;
    return at + 1;
  };
  for (let at = 0; at < bytes.length; ) {
    const [tag = 0] = varints(bytes.subarray(at, end(at)));
    at = end(at);
    let value = bytes.subarray(at, end(at));
    at = end(at);
    if ((tag & 7) === 2) {
      const [length = 0] = varints(value);
      value = bytes.subarray(at, at + length);
      at += length;
    }
    all.set(tag >> 3, [...(all.get(tag >> 3) ?? []), value]);
  }
  return all;
}

/** Types of the values, and each sample as its stack's functions and its values. */
function read(body: string | Uint8Array | undefined) {
  const profile = fields(gunzipSync(body as Uint8Array));
  const strings = (profile.get(6) ?? []).map(String);
  const one = (message: Buffer, field: number): number =>
    varints(fields(message).get(field)?.[0] ?? Buffer.of(0))[0] as number;
  const types = (profile.get(1) ?? []).map((t) => strings[one(t, 1)]);
  const functions = new Map((profile.get(5) ?? []).map((f) => [one(f, 1), strings[one(f, 2)]]));
  const places = new Map(
    (profile.get(4) ?? []).map((l) => [
      one(l, 1),
      functions.get(one(fields(l).get(4)?.[0] as Buffer, 1)),
    ]),
  );
  const samples = (profile.get(2) ?? []).map((s) => ({
    stack: varints(fields(s).get(1)?.[0] as Buffer).map((id) => places.get(id)),
    values: varints(fields(s).get(2)?.[0] as Buffer),
  }));
  return { types, samples };
}

test("cpuProfile() gives each stack its samples and their time, and none to waiting", () => {
  const node = (id: number, functionName: string, children: number[] = []) => ({
    id,
    callFrame: { functionName, scriptId: "1", url: "file:///a.ts", lineNumber: 4, columnNumber: 0 },
    children,
  });
  const nodes = [node(1, "(root)", [2, 4]), node(2, "main", [3]), node(3, ""), node(4, "(idle)")];
  const profile = { nodes, startTime: 0, endTime: 40_000 };
  const samples = [3, 4, 3, 2];
  const timeDeltas = [10_000, 10_000, 12_000, 8_000];
  const { types, samples: found } = read(cpuProfile({ ...profile, samples, timeDeltas }, 1e12));
  assert.deepEqual(types, ["samples", "cpu"]);
  assert.deepEqual(found, [
    { stack: ["(anonymous)", "main"], values: [2, 22e6] },
    { stack: ["main"], values: [1, 8e6] },
  ]);
});

const waiting = new AbortController().signal;

test("/debug/pprof/ has CPU, one at a time, and heap; what V8 has not is no profile", async () => {
  const pprof = await Pprof.open(createClock());
  try {
    const ask = async (path: string, query = "") =>
      await pprof.page(`/debug/pprof/${path}`, new URLSearchParams(query), waiting)?.();
    assert.deepEqual(read((await ask("heap"))?.body).types, ["inuse_space"]);
    const first = ask("profile", "seconds=0.05");
    assert.equal((await ask("profile"))?.status, 500);
    assert.deepEqual(read((await first)?.body).types, ["samples", "cpu"]);
    assert.equal((await ask(""))?.status, 200);
    assert.equal((await ask("goroutine"))?.status, 404);
    assert.equal((await ask("profile", "seconds=4000"))?.status, 400);
    assert.equal(pprof.page("/metrics", new URLSearchParams(), waiting), undefined);
  } finally {
    pprof.close();
  }
});

test("a CPU profile ends with its client, and the heap is profiled once a second", async () => {
  let nowMs = 0;
  // Nothing that waits for this clock ever ends.
  const pprof = await Pprof.open({
    ...createClock(),
    nowMs: () => nowMs,
    after: () => () => undefined,
  });
  try {
    const profile = (gone: AbortSignal) =>
      pprof.page("/debug/pprof/profile", new URLSearchParams(), gone)?.();
    const client = new AbortController();
    const left = profile(client.signal);
    assert.match(String((await profile(waiting))?.body), /already in use/);
    client.abort();
    for (const answer of [await left, await profile(AbortSignal.abort())]) {
      assert.equal(answer?.body, "The client has gone\n");
    }
    const heap = () => pprof.page("/debug/pprof/heap", new URLSearchParams(), waiting)?.();
    const [one, same] = await Promise.all([heap(), heap()]);
    assert.equal(one, same);
    nowMs = 1000;
    assert.equal(await heap(), one);
    nowMs = 1001;
    assert.notEqual(await heap(), one);
  } finally {
    pprof.close();
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RangeResult } from "../../src/core/mvcc/index.ts";
import type { Revision } from "../../src/core/types.ts";
import type { Engine } from "../../src/ports/index.ts";
import { rpcpb } from "../../src/proto/index.ts";
import { type Member, sliceKeys } from "../../src/server/index.ts";
import { openRocksEngine } from "../../src/storage/backend/index.ts";
import { until } from "../until.ts";
import { answer } from "./cluster.ts";
import { memberOptions, memberPorts, put, startMember, tempDir } from "./rig.ts";

const all = { key: Buffer.from("k"), rangeEnd: Buffer.from("l"), serializable: true };

const range = (member: Member, change: Partial<rpcpb.RangeRequest> = {}): Promise<RangeResult> =>
  answer((reply) => member.reads.range(rpcpb.newRangeRequest({ ...all, ...change }), reply));

/** `count` keys in one go, of which a few bytes fit into memory only. */
async function fill(member: Member, count: number): Promise<void> {
  const keys = Array.from({ length: count }, (_, i) => `k${String(i).padStart(6, "0")}`);
  await Promise.all(keys.map((key) => put(member, key, key.repeat(8))));
}

/** Resolves when a reader has pinned the revision that it reads. */
function nextPin({ kv }: Member): Promise<void> {
  return new Promise((resolve) => {
    const pin = kv.pin.bind(kv);
    kv.pin = (at) => {
      kv.pin = pin;
      resolve();
      return pin(at);
    };
  });
}

test("range() in slices answers as one in a piece, at every limit, also from disk", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path, { tierBytes: 1 << 16 }));
  await using _ = { [Symbol.asyncDispose]: () => member.stop() };
  const count = 2 * sliceKeys + 500;
  await fill(member, count);
  for (const limit of [0, sliceKeys, sliceKeys + 1, 2 * sliceKeys, count - 1, count, count + 1]) {
    const sliced = await range(member, { limit });
    const whole = member.kv.range(
      rpcpb.newRangeRequest({ ...all, limit, keysOnly: true, countOnly: false }),
    );
    assert.equal(whole.kind, "range");
    if (whole.kind !== "range") continue;
    assert.deepEqual([sliced.count, sliced.more], [whole.count, whole.more], `limit ${limit}`);
    assert.equal(sliced.kvs.length, whole.kvs.length, `limit ${limit}`);
  }
});

test("range() in slices is of one revision while keys change and history is compacted", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path, { tierBytes: 1 << 16 }));
  await using _ = { [Symbol.asyncDispose]: () => member.stop() };
  const count = 3 * sliceKeys;
  await fill(member, count);
  const before = member.kv.revision;
  const pinned = nextPin(member);
  const reading = range(member);
  // Its first slice may come from disk; what is deleted before is not to be read.
  await pinned;
  const request = rpcpb.newDeleteRangeRequest({ key: all.key, rangeEnd: all.rangeEnd });
  const deleting = answer<{ revision: number }>((reply) =>
    member.proposals.deleteRange(request, rpcpb.encodeDeleteRangeRequest(request), reply),
  );
  const compacting = deleting.then(({ revision }) =>
    answer((reply) => member.proposals.compact(revision, true, reply)),
  );
  const read = await reading;
  assert.deepEqual([read.revision, read.count, read.kvs.length], [before, count, count]);
  await compacting;
  assert.equal((await range(member)).count, 0);
});

test("range() in any order and with filters answers by slices as in one piece", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using _ = { [Symbol.asyncDispose]: () => member.stop() };
  const count = 2 * sliceKeys + 500;
  await fill(member, count);
  // Values, versions and revisions in other orders than the keys.
  const again = Array.from(
    { length: 300 },
    (_, i) => `k${String((i * 8) % count).padStart(6, "0")}`,
  );
  await Promise.all(again.map((key, i) => put(member, key, `${i % 7}`)));
  const filters = [{}, { minModRevision: 2200 }, { maxCreateRevision: 1700, minModRevision: 9 }];
  for (let n = 0; n < 45; n++) {
    const asked = rpcpb.newRangeRequest({
      ...all,
      ...(filters[Math.floor(n / 15 + n) % 3] as object),
      sortOrder: (n % 3) as rpcpb.RangeRequest["sortOrder"],
      sortTarget: (n % 5) as rpcpb.RangeRequest["sortTarget"],
      limit: [0, 7, 1500][Math.floor(n / 15)] ?? 0,
      keysOnly: n % 2 === 0,
    });
    const whole = member.kv.range(asked);
    const sliced = await range(member, asked);
    const said = (r: RangeResult) => [r.count, r.more, r.revision, Buffer.concat(r.kvs)];
    assert.deepEqual(said(sliced), said(whole as RangeResult), `${n}`);
  }
});

test("range() by value is of one revision while keys are deleted and compacted", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path, { tierBytes: 1 << 16 }));
  await using _ = { [Symbol.asyncDispose]: () => member.stop() };
  const count = 2 * sliceKeys;
  await fill(member, count);
  const before = member.kv.revision;
  const reads = ([4, 3] as const).map((sortTarget) => range(member, { sortTarget, sortOrder: 2 }));
  const request = rpcpb.newDeleteRangeRequest({ key: all.key, rangeEnd: all.rangeEnd });
  const { revision } = await answer<{ revision: number }>((reply) =>
    member.proposals.deleteRange(request, rpcpb.encodeDeleteRangeRequest(request), reply),
  );
  await answer((reply) => member.proposals.compact(revision, true, reply));
  for (const read of await Promise.all(reads)) {
    assert.deepEqual([read.revision, read.count, read.kvs.length], [before, count, count]);
  }
});

/** An engine whose next fetch of rows waits to be let through. */
class SlowFetch {
  armed = false;
  #release: (() => void) | undefined;

  get waiting(): boolean {
    return this.#release !== undefined;
  }

  release(): void {
    this.armed = false;
    this.#release?.();
    this.#release = undefined;
  }

  readonly open = async (dir: string): Promise<Engine> => {
    const engine = await openRocksEngine(dir);
    return {
      write: (ops) => engine.write(ops),
      flush: () => engine.flush(),
      snapshot: () => engine.snapshot(),
      scan: (scanned) => engine.scan(scanned),
      sizeBytes: () => engine.sizeBytes(),
      close: () => engine.close(),
      getMany: async (keys) => {
        if (this.armed) {
          this.armed = false;
          await new Promise<void>((resolve) => {
            this.#release = resolve;
          });
        }
        return engine.getMany(keys);
      },
    };
  };
}

test("what a read or a watcher is about to fetch is not compacted away under it", async () => {
  await using dir = await tempDir();
  const slow = new SlowFetch();
  const ports = memberPorts({ openEngine: slow.open });
  const member = await startMember(memberOptions(dir.path, { tierBytes: 1 << 15 }), ports);
  await using _ = { [Symbol.asyncDispose]: () => member.stop() };
  for (let i = 0; i < 40; i++) await put(member, "k", `${"x".repeat(4000)}${i}`);
  const others = Array.from({ length: 600 }, (_, i) => `other${i}`);
  await Promise.all(others.map((key) => put(member, key, "x".repeat(4000))));
  // What is on disk leaves memory with the next write.
  await until("everything to be written", () => member.state.backend.dirtyBytes === 0);
  await put(member, "one", "more");
  const watch = member.kv.watches.openStream({
    maxRequestBytes: 1 << 20,
    budgetBytes: 1 << 20,
    onReadable: () => undefined,
  });
  const fetches = {
    read: () => range(member, { key: Buffer.from("k"), revision: 5 as Revision }),
    watch: async () => {
      const create = { key: Buffer.from("k"), startRevision: 30 as Revision };
      watch.create(rpcpb.newWatchCreateRequest(create));
      member.catchUpWatchers();
    },
  };
  for (const [name, begin, at] of [
    ["read", fetches.read, 20],
    ["watch", fetches.watch, 60],
  ] as const) {
    slow.armed = true;
    const outcome = begin().catch((error: Error) => error.message);
    await until(`the ${name} to wait`, () => slow.waiting);
    const compacted = answer((reply) => member.proposals.compact(at, true, reply));
    await until("the compaction", () => member.kv.compactRevision === at);
    // Time enough for the rows to go, if nothing held them.
    await new Promise((resolve) => setTimeout(resolve, 150));
    slow.release();
    const said = await outcome;
    if (name === "read") assert.match(said as string, /has been compacted/);
    await compacted;
  }
});

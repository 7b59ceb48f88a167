import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createDisk, noFaults } from "../../src/io/index.ts";
import { rpcpb } from "../../src/proto/index.ts";
import type { Member, SnapshotSource } from "../../src/server/index.ts";
import { openRocksEngine } from "../../src/storage/backend/index.ts";
import { restoreSnapshot } from "../../src/storage/snapshot/index.ts";
import { answer } from "./cluster.ts";
import { memberOptions, put, silent, startMember, tempDir } from "./rig.ts";

function remove(member: Member, key: string): Promise<{ revision: number }> {
  const request = rpcpb.newDeleteRangeRequest({ key: Buffer.from(key) });
  return answer((reply) =>
    member.proposals.deleteRange(request, rpcpb.encodeDeleteRangeRequest(request), reply),
  );
}

const compact = (member: Member, at: number): Promise<unknown> =>
  answer((reply) => member.proposals.compact(at, true, reply));

/** Keys written over, deleted and written again, so that a compaction finds all kinds of rows. */
async function churn(member: Member, rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    await put(member, `k${i % 17}`, `v${i}`);
    if (i % 5 === 0) await remove(member, `k${i % 17}`);
  }
}

async function read(source: SnapshotSource): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function hashOf(member: Member, at: number) {
  const { hash, hashRevision, compactRevision } = await member.reads.hashKv(at);
  return {
    revision: hashRevision,
    compactRevision: Math.max(0, compactRevision),
    hashKv: hash,
  };
}

test("a snapshot's facts are HashKV's on an idle member, never compacted or compacted", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using _ = { [Symbol.asyncDispose]: () => member.stop() };
  const facts = async () => {
    const source = await member.reads.snapshot();
    await read(source);
    await source.release();
    return source.facts();
  };
  assert.deepEqual(await facts(), await hashOf(member, 0));
  await churn(member, 60);
  assert.deepEqual(await facts(), await hashOf(member, 0));
  await compact(member, 40);
  assert.deepEqual(await facts(), await hashOf(member, 0));
  const { revision } = await remove(member, "k3");
  await compact(member, revision);
  assert.deepEqual(await facts(), await hashOf(member, 0));
});

test("writes and compactions during a snapshot change neither its bytes nor its facts", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(join(dir.path, "a")));
  await using _ = { [Symbol.asyncDispose]: () => member.stop() };
  await churn(member, 80);
  await compact(member, 30);
  const expected = await hashOf(member, 0);
  const source = await member.reads.snapshot();
  await churn(member, 40);
  const { revision } = await remove(member, "k1");
  await answer((reply) => member.proposals.compact(revision, false, reply));
  const file = join(dir.path, "snapshot.db");
  await writeFile(file, await read(source));
  assert.deepEqual(source.facts(), expected);
  await source.release();
  const restored = await restoredFrom(file, join(dir.path, "b"));
  await using __ = { [Symbol.asyncDispose]: () => restored.stop() };
  assert.deepEqual(await hashOf(restored, 0), expected);
});

async function restoredFrom(path: string, dataDir: string): Promise<Member> {
  const options = memberOptions(dataDir);
  await restoreSnapshot({
    disk: createDisk(),
    logger: silent,
    faults: noFaults,
    openEngine: openRocksEngine,
    path,
    dataDir,
    name: options.name,
    initialCluster: `m1=${options.initialAdvertisePeerUrls[0]}`,
    initialClusterToken: options.initialClusterToken,
    peerUrls: options.initialAdvertisePeerUrls,
  });
  return startMember(options);
}

test("a snapshot that nobody reads to its end gives back what it held", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using _ = { [Symbol.asyncDispose]: () => member.stop() };
  await churn(member, 30);
  const source = await member.reads.snapshot();
  for await (const _chunk of source.chunks()) break;
  await source.release();
  // Physical compaction waits for pins; it would not end.
  await compact(member, member.kv.revision);
});

import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Message, MessageType } from "../../src/core/raft/index.ts";
import { index, type MemberId, term } from "../../src/core/types.ts";
import { until } from "../until.ts";
import { memberOptions, memberPorts, put, startMember, tempDir } from "./rig.ts";

const snapshotMessage = (at: number): Message => {
  const none = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
  const metadata = { index: index(at), term: term(9), confState: none };
  return {
    type: MessageType.MsgSnap,
    snapshot: { data: new Uint8Array(0), metadata },
    from: 5n as MemberId,
  } as unknown as Message;
};

async function* body(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

const received = async (dir: string): Promise<string[]> =>
  (await readdir(join(dir, "member", "snap"))).filter((n) => n.includes(".snap.db"));

test("receiveSnapshot() writes one file at a time, and drops those that came to nothing", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  const snap = join(dir.path, "member", "snap");
  const old = "0000000000000001.snap.db";
  await writeFile(join(snap, old), "never used");
  await writeFile(join(snap, `${old}.tmp`), "of a crash");
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = (async function* () {
    yield Buffer.from("first");
    await held;
  })();
  const first = member.receiveSnapshot(snapshotMessage(1000), slow);
  await assert.rejects(member.receiveSnapshot(snapshotMessage(1000), body("second")), /another/);
  release();
  await first;
  assert.deepEqual(await received(dir.path), ["00000000000003e8.snap.db"]);
  const broken = (async function* () {
    yield Buffer.from("half");
    throw new Error("the sender went");
  })();
  await assert.rejects(member.receiveSnapshot(snapshotMessage(1001), broken), /sender went/);
  assert.deepEqual(await received(dir.path), ["00000000000003e8.snap.db"]);
  await member.stop();
});

test("the log is cut by its size too: few large entries do not fill the disk", async () => {
  await using dir = await tempDir();
  const segments = async (): Promise<number> =>
    (await readdir(join(dir.path, "member", "wal"))).filter((n) => n.endsWith(".wal")).length;
  const options = memberOptions(dir.path, { snapshotCount: 1_000_000, raftLogBytes: 10_000 });
  const member = await startMember(options, memberPorts({ walSegmentBytes: 20_000 }));
  const value = "x".repeat(5_000);
  // The cut goes on beside the writes: as soon as it is done, files are gone.
  let most = 0;
  await until("segments to be released", async () => {
    await put(member, "k", value);
    const now = await segments();
    if (now < most) return true;
    most = now;
    return false;
  });
  await member.stop();
  // It begins at five; those who look late may see four and the rest of them.
  assert.ok(most >= 4, `cut at ${most} segments already`);
});

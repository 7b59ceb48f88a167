import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyCluster, encodeMemberContext } from "../../src/core/membership/index.ts";
import {
  ConfChangeType,
  type Entry,
  EntryType,
  type HardState,
  LostEntries,
} from "../../src/core/raft/index.ts";
import { clusterId, index, type MemberId, memberId, noMember, term } from "../../src/core/types.ts";
import { raftpb } from "../../src/proto/index.ts";
import { BootError, exitCodeOf } from "../../src/server/errors.ts";
import { forceAlone } from "../../src/server/force-alone.ts";
import type { MemberPorts } from "../../src/server/index.ts";
import { Wal, type WalContents } from "../../src/storage/wal/index.ts";
import { MemoryDisk } from "../storage/memory-disk.ts";
import { memberPorts } from "./rig.ts";

const ours = clusterId(77n);

const change = (at: number, type: ConfChangeType, id: bigint, url: string): Entry => ({
  term: term(3),
  index: index(at),
  type: EntryType.ConfChange,
  data: raftpb.encodeConfChange({
    id: 0n,
    type,
    nodeId: memberId(id),
    context: encodeMemberContext({
      ...{ id: memberId(id), name: "", clientURLs: [], isLearner: false },
      peerURLs: [url],
    }),
  }),
});

const three = [1n, 2n, 3n].map((id) =>
  change(Number(id), ConfChangeType.AddNode, id, `http://old-${id}`),
);

/** Member 1 goes on alone; what its log got, whom it asked. */
async function force(
  entries: readonly Entry[],
  lookAt: MemberPorts["lookAt"],
  commit = entries.length,
) {
  const saved: { hardState: HardState; entries: readonly Entry[] }[] = [];
  const asked: string[] = [];
  const wal = {
    save: async (hardState: HardState, more: readonly Entry[]) => {
      saved.push({ hardState, entries: more });
    },
  } as unknown as Wal;
  const contents = {
    metadata: { nodeId: memberId(1n), clusterId: ours },
    snapshot: { index: 0, term: 0 },
    entries,
    hardState: { term: term(4), vote: memberId(2n), commit: index(commit) },
  } as unknown as WalContents;
  const applied = { appliedIndex: 0, confState: undefined, cluster: emptyCluster() };
  const { logger } = memberPorts();
  const made = forceAlone(wal, contents, applied, {
    logger,
    lookAt: (url) => {
      asked.push(url);
      return lookAt(url);
    },
  });
  return { made, saved, asked, contents };
}

const nobody: MemberPorts["lookAt"] = async () => ({ kind: "absent", problem: "refused" });
const removed = (entries: readonly Entry[]): MemberId[] =>
  entries.map((e) => raftpb.decodeConfChange(e.data).nodeId as MemberId);

test("forceAlone() refuses while one of the others runs, at the URL it has now", async () => {
  const moved = change(4, ConfChangeType.UpdateNode, 3n, "http://new-3");
  const { made, saved, asked } = await force([...three, moved], async (url) =>
    url === "http://new-3" ? { kind: "member", clusterId: ours } : await nobody(url),
  );
  await assert.rejects(made, (error: BootError) => {
    assert.ok(error instanceof BootError && error.code === "alive");
    assert.match(
      error.message,
      /member 3 at http:\/\/new-3 still runs.*stop it for good, or remove/,
    );
    return true;
  });
  assert.deepEqual(asked, ["http://old-2", "http://new-3"]);
  assert.deepEqual(saved, []);
});

test("forceAlone() refuses while one that it would remove takes connections, whatever it says", async () => {
  const { made, saved } = await force(three, async (url) =>
    url === "http://old-3" ? { kind: "unclear", problem: "bad certificate" } : await nobody(url),
  );
  await assert.rejects(made, (error: BootError) => {
    assert.equal(exitCodeOf(error), 79);
    assert.match(error.message, /member 3 may still run: http:\/\/old-3 .*"bad certificate".*stop/);
    return true;
  });
  assert.deepEqual(saved, []);
});

test("forceAlone() removes others that are gone or of another cluster, in a far term", async () => {
  const { made, saved } = await force(three, async (url) =>
    url === "http://old-2" ? await nobody(url) : { kind: "member", clusterId: clusterId(78n) },
  );
  const { entries } = await made;
  assert.deepEqual(removed(entries.slice(3)), [2n, 3n]);
  assert.ok(entries.slice(3).every((e) => e.term > 1000));
  const far = entries.at(-1)?.term;
  assert.deepEqual(saved[0]?.hardState, { term: far, vote: noMember, commit: 5 });
});

test("forceAlone() asks nobody where there is nobody, and refuses a log that lost entries", async () => {
  const single = await force(three.slice(0, 1), nobody);
  assert.equal(await single.made, single.contents);
  assert.deepEqual([single.asked, single.saved], [[], []]);
  const lost = await force(three, nobody, 9);
  await assert.rejects(lost.made, LostEntries);
  assert.deepEqual([lost.asked, lost.saved], [[], []]);
});

test("forceAlone() that is killed amid its removals is done by the next start with the flag", async () => {
  const dir = "/data/member/wal";
  const quiet = memberPorts().logger;
  const open = (disk: MemoryDisk) => ({
    disk: disk.process(),
    faults: { hit: () => undefined },
    logger: quiet,
    nowMs: () => 0,
    segmentBytes: 64_000,
  });
  const applied = { appliedIndex: 0, confState: undefined, cluster: emptyCluster() };
  const ports = { logger: quiet, lookAt: nobody };
  const rest = (contents: WalContents): readonly Entry[] => contents.entries.slice(4);
  const seen = new Set<string>();
  /** When, in turns of microtasks, and how many sectors of what was not synced are kept then. */
  const crashes = [0, 5, 6, 7, 8, 30].flatMap((turns) =>
    [0, 1, 2].map((kept) => [turns, kept] as const),
  );
  /** That the disk asks about before it asks about sectors: /, data, member, wal. */
  const folders = 4;
  // The removals lie in one sector or across two, which the disk keeps or loses, sooner or later.
  for (let pad = 0; pad < 512; pad += 24) {
    for (const [turns, kept] of crashes) {
      const disk = new MemoryDisk();
      await disk.mkdir("/data/member");
      await disk.syncDir("/");
      await disk.syncDir("/data");
      const ids = { nodeId: memberId(1n), clusterId: ours };
      const wal = await Wal.create(open(disk), dir, ids);
      const put: Entry = { ...three[0]!, index: index(4), type: EntryType.Normal };
      const before = { term: term(4), vote: memberId(2n), commit: index(4) };
      await wal.save(before, [...three, { ...put, data: Buffer.alloc(pad) }]);
      const first = await reopened(disk);
      const forced = forceAlone(first.wal, first.contents, applied, ports);
      const ended = forced.then(
        () => "saved",
        () => "killed",
      );
      for (let i = 0; i < turns; i++) await Promise.resolve();
      let asked = 0;
      disk.crash(() => asked++ < folders + kept);
      seen.add(await ended);

      const second = await reopened(disk);
      const left = rest(second.contents);
      seen.add(`${left.length} removals`);
      // Without all of them none counts: the member waits for the others.
      assert.equal(second.contents.hardState.commit, left.length === 2 && isWhole(second) ? 6 : 4);
      const done = await forceAlone(second.wal, second.contents, applied, ports);
      assert.deepEqual(removed(rest(done)), [2n, 3n]);
      assert.equal(done.hardState.commit, 6);
      assert.ok(done.hardState.term >= done.entries.at(-1)!.term);
      const third = await reopened(disk);
      assert.deepEqual(third.contents.entries.length, 6);
      assert.equal(await forceAlone(third.wal, third.contents, applied, ports), third.contents);
    }
  }
  assert.deepEqual([...seen].sort(), ["0 removals", "1 removals", "2 removals", "killed", "saved"]);

  async function reopened(disk: MemoryDisk) {
    return await Wal.open(open(disk), dir, (valid) => valid[0]!);
  }
  function isWhole({ contents }: { contents: WalContents }): boolean {
    return contents.hardState.term === contents.entries.at(-1)?.term;
  }
});

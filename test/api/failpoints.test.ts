import assert from "node:assert/strict";
import { test } from "node:test";
import { methods } from "../../src/client/index.ts";
import type { FaultPoint } from "../../src/ports/index.ts";
import { rpcpb } from "../../src/proto/index.ts";
import { memberOptions, memberPorts, put, startMember, tempDir } from "../server/rig.ts";
import { until } from "../until.ts";
import { Served } from "./rig.ts";

/** Places that etcd's tests make fail, and that a member of one passes through here. */
const passed: readonly FaultPoint[] = [
  "beforePublishing",
  "beforeSendWatchResponse",
  "beforeRangeStreamChunk",
  "beforeApplyOneEntryNormal",
  "beforeWritebackBuf",
  "afterWritebackBuf",
  "commitBeforePreCommitHook",
  "commitAfterPreCommitHook",
  "beforeStartDBTxn",
  "afterStartDBTxn",
  "raftBeforeAdvance",
  "compactAfterAcquiredBatchTxLock",
  "beforeCommit",
  "afterCommit",
  "compactBeforeCommitScheduledCompact",
  "compactAfterCommitScheduledCompact",
  "compactBeforeSetFinishedCompact",
  "compactAfterSetFinishedCompact",
  "defragBeforeCopy",
  "defragBeforeRename",
  "walBeforeSync",
  "walAfterSync",
];

test("a member passes the failpoints that etcd's tests use", async () => {
  await using dir = await tempDir();
  const hits = new Set<string>();
  let failing = "";
  const hit = (name: string): string | undefined => {
    hits.add(name);
    return name === failing ? `${name} as told` : undefined;
  };
  const member = await startMember(memberOptions(dir.path), memberPorts({ faults: { hit } }));
  await using served = await Served.of(member);
  const watch = served.stream(methods.watch);
  watch.on("error", () => undefined);
  const createRequest = rpcpb.newWatchCreateRequest({ key: Buffer.from("k") });
  watch.write(rpcpb.newWatchRequest({ createRequest }));
  await new Promise((resolve) => watch.once("data", resolve));
  const events = new Promise((resolve) => watch.once("data", resolve));
  await put(member, "k", "1");
  await events;
  watch.cancel();
  const ranges = served.stream(methods.rangeStream);
  ranges.write(rpcpb.newRangeRequest({ key: Buffer.from("k") }));
  ranges.end();
  for await (const _ of ranges);
  await served.call(methods.compact, rpcpb.newCompactionRequest({ revision: member.kv.revision }));
  await served.call(methods.defragment, {});
  for (failing of ["defragOpenFileError", "defragdbFail"]) {
    const refused = served.call(methods.defragment, {});
    await assert.rejects(refused, { code: 2, details: `${failing} as told` });
  }
  await until("every failpoint is passed", () => {
    const missed = passed.filter((name) => !hits.has(name));
    if (missed.length > 0) throw new Error(`not passed: ${missed.join()}`);
    return true;
  });
  await member.stop();
});

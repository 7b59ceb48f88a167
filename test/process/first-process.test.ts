// etcdctl as the first process of a container: the kernel drops the signals that such a one does not handle.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isInPath } from "../run/commands.ts";
import { until } from "../until.ts";
import { createMembers, type Member, quoin } from "./member.ts";

const canIsolate = process.getuid?.() === 0 && isInPath("unshare");
const etcdctl = join(import.meta.dirname, "..", "..", "bin", "etcdctl");

test("SIGTERM ends a watch that is the first process of its container", {
  skip: canIsolate ? false : "needs root and unshare",
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-process-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const [member] = (await createMembers(quoin, folder, 1)) as [Member];
  stack.use(member);
  member.start();
  await member.ready();

  const args = ["--pid", "--fork", "--kill-child", etcdctl, `--endpoints=${member.endpoint}`];
  const container = spawn("unshare", [...args, "watch", "--rev=1", "--prefix", ""]);
  const kill = (): void => void container.kill("SIGKILL");
  stack.defer(kill);
  process.once("exit", kill); // also when the test runs out of time
  const ended = new Promise<number | null>((resolve) => container.once("exit", resolve));
  let seen = "";
  container.stdout.on("data", (chunk: Buffer) => {
    seen += chunk;
  });
  using client = member.client();
  await client.kv.put(Buffer.from("k"), Buffer.from("there"));
  await until("the watch to show the key", () => seen.includes("there"), 60);
  const task = `/proc/${container.pid}/task/${container.pid}/children`;
  process.kill(Number(readFileSync(task, "utf8").trim()), "SIGTERM");
  assert.equal(await ended, 128 + 15);
});

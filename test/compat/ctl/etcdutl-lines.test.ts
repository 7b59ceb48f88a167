// etcdutl's command lines by the real one and by ours, on the same files.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../../../src/client/index.ts";
import { freePorts } from "../../free-ports.ts";
import { execute, freshServer, type Line, ours, run, skip, theirs } from "./command-lines.ts";
import { scratch } from "./snapshot-tools.ts";

const formats = ["simple", "json", "fields", "table", "protobuf", "yaml"];

test("etcdutl answers the same command lines like the real one", {
  skip,
}, async (t) => {
  const dir = scratch(t);
  const file = join(dir, "snapshot.db");
  const ports = await freePorts(2);
  {
    await using member = freshServer(dir, ports);
    member.start();
    await member.ready();
    using client = new Client({ endpoints: [member.endpoint] });
    for (let i = 0; i < 60; i++) await client.kv.put(`k${i % 20}`, `v${i}`);
    await client.kv.delete("k3");
    await client.kv.compact(30, { physical: true });
    await client.kv.put("last", "<>");
    await execute(ours("etcdctl"), run(`--endpoints=${member.endpoint}`, "snapshot", "save", file));
  }
  const rubbish = join(dir, "rubbish.db");
  writeFileSync(rubbish, "no database");
  const lines: readonly Line[] = [
    run("version"),
    run("version", "x"),
    ...formats.map((format) => run("hashkv", file, "-w", format)),
    run("hashkv", file, "--rev=45"),
    run("hashkv", file, "--rev=63", "-w", "json"),
    run("hashkv", file, "--rev=10"),
    run("hashkv", file, "--rev=99"),
    run("hashkv", file, "--rev=x"),
    run("hashkv", join(dir, "nothing.db")),
    run("hashkv"),
    run("hashkv", file, file),
    ...formats.slice(0, 4).map((format) => run("snapshot", "status", file, "-w", format)),
    run("snapshot", "status", file, "-w", "yaml"),
    run("snapshot", "status"),
    run("snapshot", "status", join(dir, "nothing.db")),
    run("snapshot", "restore"),
    run("snapshot", "restore", file, "--mark-compacted"),
    run("snapshot", "restore", file, "--bump-revision=5"),
    run("snapshot", "restore", file, "--bump-revision=-5"),
    run("defrag"),
    run("migrate"),
    run("migrate", "--data-dir", join(dir, "nothing"), "--target-version", "3"),
    run("migrate", "--data-dir", join(dir, "nothing"), "--target-version", "3.4"),
    run("completion"),
    run("completion", "tcsh"),
  ];
  for (const line of lines) {
    await t.test(line.args.join(" ").replaceAll(dir, ""), async () => {
      // Real etcdutl hashkv writes to the file it reads, and says an error twice that cobra found.
      const got = await execute(ours("etcdutl"), line);
      const wanted = await execute(theirs("etcdutl"), line);
      assert.deepEqual(got, wanted);
    });
  }
});

// The command lines of `snapshot` through the real tools and ours: the same exit code, the same
// stdout, and errors that begin with etcd's words (ours go on to say what to do).

import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { Client } from "../../../src/client/index.ts";
import { etcd, type Member } from "../../process/member.ts";
import {
  attempt,
  memberOf,
  type Owner,
  realTools,
  run,
  scratch,
  type Tool,
} from "./snapshot-tools.ts";

const skip = realTools === undefined ? "real etcd needs Go to build" : false;

/** What Error: lines say, without Go's stack traces and usage, and what a name server told it. */
const errorOf = (stderr: string): string =>
  (stderr.split("\n").find((line) => line.startsWith("Error: ")) ?? "").replace(
    / \(resolved urls: .*/,
    "",
  );

describe("snapshot's command lines", { skip }, () => {
  let member: Member;
  let dir: string;
  let file: string;
  const later: (() => void)[] = [];

  before(async () => {
    dir = scratch({ after: (f: () => void) => later.push(f) } as unknown as TestContext);
    member = await memberOf(etcd() as NonNullable<ReturnType<typeof etcd>>, dir, "m1");
    member.start();
    await member.ready();
    using client = new Client({ endpoints: [member.endpoint] });
    for (let i = 0; i < 30; i++) await client.kv.put(`k${i % 20}`, `v${i}`);
    await client.kv.delete("k3");
    file = join(dir, "s.db");
    await run("etcd", "etcdctl", `--endpoints=${member.endpoint}`, "snapshot", "save", file);
  });

  after(async () => {
    await member[Symbol.asyncDispose]();
    for (const f of later) f();
  });

  /** Both tools in folders of their own that hold s.db, an empty folder and a folder in use. */
  async function both(tool: Tool, args: readonly string[]): Promise<void> {
    const end = async (owner: Owner) => {
      const cwd = join(dir, `${owner}-${Math.random()}`);
      mkdirSync(join(cwd, "empty"), { recursive: true });
      mkdirSync(join(cwd, "used"));
      writeFileSync(join(cwd, "used", "file"), "");
      copyFileSync(file, join(cwd, "s.db"));
      const ended = await attempt(owner, tool, args, cwd);
      return { ...ended, left: existsSync(join(cwd, "new")) };
    };
    const [theirs, ours] = await Promise.all([end("etcd"), end("quoin")]);
    const what = `${tool} ${args.join(" ")}\nreal: ${errorOf(theirs.stderr)}\nours: ${ours.stderr}`;
    assert.equal(ours.status, theirs.status, what);
    assert.equal(ours.stdout, theirs.stdout, what);
    assert.ok(errorOf(ours.stderr).startsWith(errorOf(theirs.stderr)), what);
    if (theirs.status !== 0) {
      assert.equal(ours.left, false, `${what}\nleft something behind`);
      assert.doesNotMatch(ours.stderr, /^\s+at /m, what);
    }
  }

  test("etcdutl snapshot status", async () => {
    for (const format of ["simple", "table", "json", "fields", "protobuf", "other"]) {
      await both("etcdutl", ["snapshot", "status", "s.db", "-w", format]);
    }
    await both("etcdutl", ["snapshot", "status"]);
    await both("etcdutl", ["snapshot", "status", "s.db", "s.db"]);
    await both("etcdutl", ["snapshot", "status", "missing.db"]);
  });

  const restore = (...more: string[]): Promise<void> =>
    both("etcdutl", ["snapshot", "restore", "s.db", "--data-dir=new", ...more]);

  test("etcdutl snapshot restore", async () => {
    await restore();
    await restore("--data-dir=empty", "--wal-dir=elsewhere/wal");
    await restore("--bump-revision=7", "--mark-compacted");
    await restore("--name=m2", "--initial-cluster=m1=http://a:1,m2=http://localhost:2380");
    await both("etcdutl", ["snapshot", "restore"]);
    await both("etcdutl", ["snapshot", "restore", "s.db", "again", "--data-dir=new"]);
    await both("etcdutl", ["snapshot", "restore", "missing.db", "--data-dir=new"]);
  });

  test("etcdutl snapshot restore with flags that do not fit together", async () => {
    await restore("--data-dir=used");
    await restore("--wal-dir=used");
    await restore("--bump-revision=7");
    await restore("--mark-compacted");
    await restore("--bump-revision=x");
    await restore("--bump-revision=-1");
    await restore("--unknown");
    await restore("--name=other");
    await restore("--initial-cluster=default");
    await restore("--initial-cluster=default=http://localhost:1");
    await restore("--initial-cluster=default=http://localhost:2380,b=http://localhost:2380");
    await restore("--initial-advertise-peer-urls=http://localhost:1");
    await restore("--initial-advertise-peer-urls=localhost");
  });

  test("etcdctl snapshot save", async () => {
    const save = (...args: string[]): Promise<void> =>
      both("etcdctl", [`--endpoints=${member.endpoint}`, "snapshot", "save", ...args]);
    await save("new.db");
    await save("s.db", "-w", "json");
    await save("s.db", "-w", "other");
    await save();
    await save("new.db", "other.db");
    await save("missing/new.db");
    await both("etcdctl", ["--endpoints=a:1,b:2", "snapshot", "save", "new.db"]);
  });
});

test("etcdctl's status and restore say that they have moved, and do what etcdutl's do", {
  skip,
}, async (t) => {
  const dir = scratch(t);
  await using member = await memberOf(etcd() as NonNullable<ReturnType<typeof etcd>>, dir, "m1");
  member.start();
  await member.ready();
  const file = join(dir, "s.db");
  await run("quoin", "etcdctl", `--endpoints=${member.endpoint}`, "snapshot", "save", file);
  for (const format of ["simple", "table", "json", "fields"]) {
    const old = await run("quoin", "etcdctl", "snapshot", "status", file, "-w", format);
    const now = await run("etcd", "etcdutl", "snapshot", "status", file, "-w", format);
    assert.equal(old.stdout, now.stdout);
    // etcd 3.5's etcdctl/ctlv3/command/snapshot_command.go
    assert.equal(old.stderr, "Deprecated: Use `etcdutl snapshot status` instead.\n\n");
  }
  const target = join(dir, "restored");
  const { stderr } = await run(
    "quoin",
    "etcdctl",
    "snapshot",
    "restore",
    file,
    `--data-dir=${target}`,
  );
  assert.match(stderr, /^Deprecated: Use `etcdutl snapshot restore` instead\.\n\n/);
  assert.equal(existsSync(join(target, "member", "snap")), true);
});

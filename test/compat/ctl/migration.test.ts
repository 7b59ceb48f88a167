// docs/migration.md, its commands run as they stand there: a real etcd's data in Quoin and back,
// with one hash from beginning to end. And its manifest has only fields that exist.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { parse } from "yaml";
import { Client } from "../../../src/client/index.ts";
import { freePorts } from "../../free-ports.ts";
import { etcd } from "../../process/member.ts";
import { until } from "../../until.ts";
import { memberOf, realTools, scratch } from "./snapshot-tools.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const page = readFileSync(join(root, "docs", "migration.md"), "utf8");
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map(
    (match) => match[1] as string,
  );
const skip = realTools === undefined ? "real etcd needs Go to build" : false;

/** Resolves when the member at `endpoint` answers. */
async function serving(endpoint: string): Promise<void> {
  using client = new Client({ endpoints: [endpoint], dialTimeoutMs: 500 });
  await until(`${endpoint} to serve`, () => client.kv.get("x", { timeoutMs: 1000 }));
}

async function hashOf(endpoint: string): Promise<{ hash: number; revision: number }> {
  using client = new Client({ endpoints: [endpoint] });
  const { hash, header } = await client.maintenance.hashKv(endpoint);
  return { hash, revision: header?.revision ?? 0 };
}

test("the migration page's commands take etcd's data to Quoin and back", {
  skip,
}, async (t) => {
  const groups: ChildProcess[] = [];
  // Before the folder goes: what is told first to be done after the test is done first.
  t.after(() => {
    // Servers that a block left in the background are of its process group.
    for (const { pid } of groups) {
      try {
        process.kill(-(pid as number), "SIGKILL");
      } catch {}
    }
  });
  const dir = scratch(t);
  await using old = await memberOf(etcd() as NonNullable<ReturnType<typeof etcd>>, dir, "old-one");
  old.start();
  await old.ready();
  {
    using client = new Client({ endpoints: [old.endpoint] });
    const { id } = await client.lease.grant(1000);
    for (let i = 0; i < 50; i++) await client.kv.put(`k${i % 30}`, `v${i}`, { lease: id });
    await client.kv.delete("k7");
  }
  const path = join(dir, "path");
  mkdirSync(path);
  symlinkSync(join(root, "bin", "quoin"), join(path, "quoin"));
  const ports = await freePorts(4);
  const url = (i: number): string => `http://127.0.0.1:${ports[i]}`;
  const env = {
    PATH: `${path}:${realTools}:${process.env["PATH"]}`,
    OLD: old.endpoint,
    ...{ NEW: url(0), NEW_PEER: url(1), BACK: url(2), BACK_PEER: url(3) },
  };
  const run = async (block: string): Promise<string> => {
    const child = spawn("bash", ["-euc", `exec 2>>log\n${block}`], {
      cwd: dir,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    groups.push(child);
    // The servers go on, and hold the pipe; the shell's own end is what counts.
    const out = block.includes("&\n") ? Promise.resolve("") : text(child.stdout);
    const code = await new Promise((resolve) => child.once("exit", resolve));
    assert.equal(code, 0, `${block}\n${readFileSync(join(dir, "log"), "utf8").slice(-2000)}`);
    return out;
  };

  const [save, restore, compare, back] = blocks("sh") as [string, string, string, string];
  assert.equal(blocks("sh").length, 4);
  const before = await hashOf(old.endpoint);
  assert.match(await run(save), new RegExp(`│ +${before.revision} │ +29 │`));
  await run(restore);
  await serving(env.NEW);
  assert.match(await run(compare), /is healthy/);
  const hashIn = (file: string): unknown =>
    JSON.parse(readFileSync(join(dir, file), "utf8"))[0].HashKV.hash;
  assert.equal(hashIn("hash.json"), before.hash);
  assert.equal(hashIn("new-hash.json"), before.hash);
  await run(back);
  await serving(env.BACK);
  assert.deepEqual(await hashOf(env.BACK), before);
});

test("the migration page's manifest has only fields of the definition", () => {
  const [manifest] = blocks("yaml").map((block) => parse(block));
  const crd = parse(readFileSync(join(root, "crds", "quoin.dev_etcdclusters.yaml"), "utf8"));
  const schema = crd.spec.versions[0].schema.openAPIV3Schema.properties.spec;
  const check = (
    value: unknown,
    at: { properties?: Record<string, never> },
    where: string,
  ): void => {
    if (typeof value !== "object" || value === null || at.properties === undefined) return;
    for (const [name, inner] of Object.entries(value)) {
      const next = at.properties[name];
      assert.ok(next !== undefined, `${where}.${name} is no field`);
      check(inner, next, `${where}.${name}`);
    }
  };
  check(manifest.spec, schema, "spec");
});

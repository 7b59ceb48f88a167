// Snapshots that etcd 3.4 to 3.7 saved, restored by our etcdutl and served by our member: the same
// keys, revisions, versions, leases and hash as their own etcd told when it was asked.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Client } from "../../../src/client/index.ts";
import type { LeaseId } from "../../../src/core/types.ts";
import type { rpcpb } from "../../../src/proto/index.ts";
import { quoin } from "../../process/member.ts";
import { memberOf, restoreFlags, run, scratch } from "./snapshot-tools.ts";

const folder = join(import.meta.dirname, "..", "..", "testdata", "etcd-snapshots");

/** As etcdctl prints it; bytes in base64, what is zero left out. */
interface TrueRow {
  readonly key: string;
  readonly create_revision: number;
  readonly mod_revision: number;
  readonly version: number;
  readonly value?: string;
  readonly lease?: string;
}
interface TrueRows {
  readonly count: number;
  readonly kvs: readonly TrueRow[];
}
interface Truth {
  readonly revision: number;
  readonly hash: number;
  readonly compactRevision: number;
  readonly all: TrueRows;
  /** By revision. */
  readonly history: Readonly<Record<string, TrueRows>>;
  /** By id in hexadecimal. */
  readonly leases: Readonly<Record<string, { grantedTtl: number; keys: string[] }>>;
  readonly status: Readonly<Record<string, number | string>>;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const rowsOf = ({ count, kvs }: rpcpb.RangeResponse): TrueRows => ({
  count,
  kvs: kvs.map((kv) => ({
    key: base64(kv.key),
    create_revision: kv.createRevision,
    mod_revision: kv.modRevision,
    version: kv.version,
    ...(kv.value.byteLength > 0 ? { value: base64(kv.value) } : {}),
    ...(kv.lease !== 0n ? { lease: String(kv.lease) } : {}),
  })),
});

function unpack(version: string, dir: string): { file: string; truth: Truth } {
  const file = join(dir, `etcd-${version}.db`);
  writeFileSync(file, gunzipSync(readFileSync(join(folder, `etcd-${version}.db.gz`))));
  const truth = JSON.parse(readFileSync(join(folder, `etcd-${version}.json`), "utf8")) as Truth;
  return { file, truth };
}

for (const version of ["3.4", "3.5", "3.6", "3.7"]) {
  test(`a snapshot of etcd ${version} is restored with all it holds`, async (t) => {
    const dir = scratch(t);
    const { file, truth } = unpack(version, dir);

    const { stdout } = await run("quoin", "etcdutl", "snapshot", "status", file, "-w", "json");
    const { totalKey, ...status } = JSON.parse(stdout);
    const { totalKey: trueTotal, ...trueStatus } = truth.status;
    assert.deepEqual(status, { version: "", ...trueStatus });
    assert.equal(totalKey, truth.all.count);
    if (version >= "3.6") assert.equal(totalKey, trueTotal);

    await using member = await memberOf(quoin, dir, "restored");
    await run("quoin", "etcdutl", "snapshot", "restore", file, ...restoreFlags(member));
    member.start();
    await member.ready();
    using client = new Client({ endpoints: [member.endpoint] });
    const all = await client.kv.get("", { prefix: true });
    assert.deepEqual(rowsOf(all), truth.all);
    assert.equal(all.header?.revision, truth.revision);
    for (const [revision, rows] of Object.entries(truth.history)) {
      const then = await client.kv.get("", { prefix: true, revision: Number(revision) });
      assert.deepEqual(rowsOf(then), rows, `at revision ${revision}`);
    }
    await assert.rejects(client.kv.get("key1", { revision: truth.compactRevision - 1 }), {
      message: /required revision has been compacted/,
    });
    const { hash, compactRevision } = await client.maintenance.hashKv(member.endpoint);
    assert.deepEqual(
      { hash, compactRevision },
      { hash: truth.hash, compactRevision: truth.compactRevision },
    );
    const { leases } = await client.lease.leases();
    assert.deepEqual(leases.map(({ id }) => id.toString(16)).sort(), Object.keys(truth.leases));
    for (const [id, lease] of Object.entries(truth.leases)) {
      const { grantedTtl, keys } = await client.lease.timeToLive(BigInt(`0x${id}`) as LeaseId, {
        keys: true,
      });
      assert.deepEqual({ grantedTtl, keys: keys.map(base64).sort() }, lease);
    }
    assert.equal((await client.kv.put("new", "x")).header?.revision, truth.revision + 1);
  });
}

test("--bump-revision and --mark-compacted move a restored etcd 3.4 past all its watchers", async (t) => {
  const dir = scratch(t);
  const { file, truth } = unpack("3.4", dir);
  await using member = await memberOf(quoin, dir, "bumped");
  const bump = ["--bump-revision=1000000", "--mark-compacted"];
  await run("quoin", "etcdutl", "snapshot", "restore", file, ...restoreFlags(member), ...bump);
  member.start();
  await member.ready();
  using client = new Client({ endpoints: [member.endpoint] });
  const all = await client.kv.get("", { prefix: true });
  assert.deepEqual(rowsOf(all), truth.all);
  assert.equal(all.header?.revision, truth.revision + 1_000_000);
  await assert.rejects(client.kv.get("key2", { revision: truth.revision }), {
    message: /required revision has been compacted/,
  });
});

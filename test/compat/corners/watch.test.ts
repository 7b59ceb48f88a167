// Watch, question by question as etcd's server/etcdserver/api/v3rpc/watch.go and
// storage/mvcc/watch{able_store,er}.go raise them.

import assert from "node:assert/strict";
import type { Client } from "../../../src/client/index.ts";
import type { LeaseId } from "../../../src/core/types.ts";
import { rpcpb } from "../../../src/proto/index.ts";
import { until } from "../../until.ts";
import { pairOf } from "./pair.ts";

/** Shorter than etcd allows: it becomes 100 ms. */
const same = pairOf(["--watch-progress-notify-interval=50ms"]);

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const put = (key: string, value = "") =>
  rpcpb.newRequestOp({
    requestPut: rpcpb.newPutRequest({ key: bytes(key), value: bytes(value) }),
  });
const del = (key: string) =>
  rpcpb.newRequestOp({ requestDeleteRange: rpcpb.newDeleteRangeRequest({ key: bytes(key) }) });
const txn = (client: Client, ...success: rpcpb.RequestOp[]) =>
  client.kv.txn({ success }).then((r) => r.header?.revision ?? 0);

/** Writes of every kind below a prefix, eight revisions; returns the last. */
async function story(client: Client, p: string): Promise<number> {
  await client.kv.put(`${p}a`, "1");
  await client.kv.put(`${p}a`, "2");
  await client.kv.delete(`${p}a`);
  await client.kv.put(`${p}a`, "3");
  await txn(client, put(`${p}b`, "1"), del(`${p}a`), put(`${p}c`, "1"));
  const { id } = await client.lease.grant(1000, { id: 4711n as LeaseId });
  await client.kv.put(`${p}d`, "leased", { lease: id });
  await client.lease.revoke(id);
  const { header } = await client.kv.delete(p, { prefix: true });
  return header?.revision ?? 0;
}

const filterings: readonly (readonly number[])[] = [[], [0], [1], [0, 1], [1, 1], [7], [-1, 0]];

same("filters drop puts, deletes or both, with and without the value before", async (server) => {
  const now = await server.tape();
  const past = await server.tape();
  for (const filters of filterings) {
    for (const prevKv of [false, true]) {
      await now.create({ key: "filter/", end: "filter0", filters, prevKv });
    }
  }
  const end = await story(server.client, "filter/");
  await now.progressTo(end);
  for (const filters of filterings) {
    for (const prevKv of [false, true]) {
      const start = server.base + 1;
      await past.create({ key: "filter/", end: "filter0", filters, prevKv, start });
    }
  }
  await past.progressTo(end);
  return [now.told(), past.told()];
});

same("large events come in fragments where that is asked for", async (server) => {
  const tape = await server.tape();
  // The fifth piece would reach 2 MiB: what a request may have, and 512 KiB.
  for (let i = 0; i < 9; i++) await server.client.kv.put(`large/${i}`, Buffer.alloc(500_000, i));
  const range = { key: "large/", end: "large0", prevKv: true };
  await tape.create({ ...range, fragment: true });
  await tape.create({ ...range, fragment: false });
  await tape.create({ ...range, fragment: true, filters: [1] });
  const { header } = await server.client.kv.delete("large/", { prefix: true });
  await server.client.kv.put("large/0", "small");
  await tape.progressTo((header?.revision ?? 0) + 1);
  const parts = tape.answers
    .filter((r) => r.events.length > 0)
    .map((r) => `${r.watchId}: ${r.events.length}${r.fragment ? " and more" : ""}`);
  return parts.sort();
});

same("progress is told when all watches of the stream have come as far", async (server) => {
  const { client, base } = server;
  const tape = await server.tape();
  const told = (): string[] =>
    tape.progresses(-1).map((r) => tape.relative(r.header?.revision ?? 0));
  // Nobody watches: silence.
  tape.progress();
  await tape.create({ key: "progress" });
  await client.kv.put("progress", "1");
  await tape.events(0, 1);
  tape.progress();
  await until("progress", () => told().length === 1);
  // One watch waits for the future: silence for all.
  await tape.create({ key: "progress", start: base + 1000, id: 9 });
  tape.progress();
  tape.cancel(9);
  await tape.canceled(9);
  tape.progress();
  await until("progress", () => told().length >= 2);
  await client.kv.put("progress", "2");
  await tape.events(0, 2);
  return [tape.told(), told()];
});

same(
  "a watch that ended for a compaction holds progress up until it is cancelled",
  async (server) => {
    const { client, base } = server;
    for (let i = 1; i <= 4; i++) await client.kv.put("ended", `${i}`);
    await client.kv.compact(base + 3);
    const tape = await server.tape();
    await tape.create({ key: "ended" });
    await tape.create({ key: "ended", start: base + 1 });
    await tape.canceled(1);
    tape.progress();
    // Its id is still taken.
    await tape.create({ key: "ended", id: 1 });
    tape.cancel(1);
    const silent = tape.progresses(-1).length === 0;
    await tape.create({ key: "ended", id: 1, start: base + 4 });
    await tape.events(1, 1);
    await tape.progressTo(base + 4);
    return [tape.told(), silent];
  },
);

same("progress never overtakes events", async (server) => {
  const { client, base } = server;
  for (let i = 0; i < 40; i++) {
    await txn(
      client,
      ...Array.from({ length: 100 }, (_, j) => put(`race/${i}/${j}`, "x".repeat(50))),
    );
  }
  const tape = await server.tape();
  for (let i = 0; i < 5; i++) {
    tape.ask({ key: "race/", end: "race0", start: base + 1 + i, progressNotify: true });
    tape.progress();
  }
  for (let i = 0; i < 20; i++) {
    await client.kv.put(`race/late/${i}`, "1");
    tape.progress();
  }
  await tape.progressTo(base + 60);
  /** By watch: the progress told since it was created. */
  const told = new Map<number, number>();
  for (const { watchId, events, header, created } of tape.answers) {
    const id = Number(watchId);
    if (created) told.set(id, 0);
    else if (events.length === 0) {
      for (const meant of id === -1 ? told.keys() : [id]) told.set(meant, header?.revision ?? 0);
    }
    for (const { kv } of events) {
      const known = told.get(id) ?? 0;
      assert.ok((kv?.modRevision ?? 0) > known, `watch ${id}: ${kv?.modRevision} after ${known}`);
    }
  }
  // What the answers to the creations say of the present depends on when they left.
  return tape.told().events;
});

same("periodic progress names the watch, and waits for a start in the future", async (server) => {
  const { client, base } = server;
  const tape = await server.tape();
  await tape.create({ key: "periodic", progressNotify: true });
  await tape.create({ key: "periodic", progressNotify: false });
  await tape.create({ key: "periodic", progressNotify: true, start: base + 3 });
  const times = (id: number, count: number): Promise<boolean> =>
    until(`${count} progresses of ${id}`, () => tape.progresses(id).length >= count);
  await times(0, 2);
  const early = tape.progresses(2).length;
  for (let i = 1; i <= 3; i++) await client.kv.put("periodic", `${i}`);
  await tape.events(2, 1);
  await times(2, 1);
  await times(0, 4);
  const at = tape.progresses(2).map((r) => tape.relative(r.header?.revision ?? 0));
  return [tape.told(), early, [...new Set(at)], tape.progresses(1).length];
});

same("a compaction ends watches behind it and no others", async (server) => {
  const { client, base } = server;
  await story(client, "compact/");
  const before = await server.tape();
  await before.create({ key: "compact/", end: "compact0", prevKv: true });
  await before.create({ key: "compact/", end: "compact0", start: base + 100 });
  await client.kv.compact(base + 4);
  const after = await server.tape();
  for (const start of [1, base + 1, base + 3, base + 4, base + 5, base + 8, base + 9]) {
    await after.create({ key: "compact/", end: "compact0", start, prevKv: true });
  }
  for (const id of [0, 1, 2]) await after.canceled(id);
  const { header } = await client.kv.put("compact/a", "4");
  await before.events(0, 1);
  for (const id of [3, 4, 5, 6]) {
    await after.events(id, [7, 6, 2, 1][id - 3] as number);
  }
  assert.equal(header?.revision, base + 9);
  return [before.told(), after.told()];
});

same("rejected watches: the answer, and the ids that are left", async (server) => {
  const { base } = server;
  const tape = await server.tape();
  const min = -Number.MAX_SAFE_INTEGER;
  await tape.create({ key: "b", end: "a" });
  await tape.create({ key: "b", end: "b" });
  await tape.create({ key: "b", end: "\0" });
  await tape.create({ key: "", end: "" });
  await tape.create({ key: "", end: "\0" });
  await tape.create({ key: "\0", end: "\0\0" });
  await tape.create({ key: "b", start: -1 });
  await tape.create({ key: "b", end: "a", start: min });
  await tape.create({ key: "b", id: 1 });
  await tape.create({ key: "b", id: 1, end: "a" });
  await tape.create({ key: "b", id: 6 });
  await tape.create({ key: "b", id: 6 });
  await tape.create({ key: "b", id: 5 });
  await tape.create({ key: "b" });
  await tape.create({ key: "b" });
  await tape.create({ key: "b", id: -1 });
  await tape.create({ key: "b", id: -1 });
  await tape.create({ key: "b", id: -5 });
  await tape.create({ key: "b", id: min });
  await tape.create({ key: "b", id: Number.MAX_SAFE_INTEGER, start: Number.MAX_SAFE_INTEGER });
  // Nobody has these: silence.
  for (const id of [77, -77]) tape.cancel(id);
  for (const id of [6, -5, 1, -1]) tape.cancel(id);
  for (const id of [6, -5, 1, -1]) await tape.canceled(id);
  // It waits for the future.
  tape.cancel(Number.MAX_SAFE_INTEGER);
  await tape.create({ key: "b", id: 6 });
  await tape.create({ key: "b" });
  await server.client.kv.put("b", "1");
  await tape.progressTo(base + 1);
  return tape.told();
});

same("a watch of the future is told nothing before its start", async (server) => {
  const { client, base } = server;
  const tape = await server.tape();
  for (const start of [base, base + 1, base + 2, base + 4, base + 9]) {
    await tape.create({ key: "future", start, prevKv: true });
  }
  for (let i = 1; i <= 5; i++) await client.kv.put("future", `${i}`);
  for (const [id, count] of [5, 5, 4, 2].entries()) await tape.events(id, count);
  return tape.told();
});

same("a thousand watches on one stream, some from the past", async (server) => {
  const { client, base } = server;
  const tape = await server.tape();
  for (let i = 0; i < 20; i++) await client.kv.put(`many/${i}`, "1");
  for (let i = 0; i < 1000; i++) {
    const start = i % 3 === 0 ? base + 1 : 0;
    const id = i % 50 === 49 ? 2000 + i : 0;
    tape.ask({ key: `many/${i % 40}`, start, id, prevKv: i % 2 === 0 });
  }
  tape.ask({ key: "many/", end: "many0", start: base + 7, id: 5000 });
  await until("1001 created", () => tape.answers.filter((r) => r.created).length === 1001);
  const { header } = await client.kv.delete("many/", { prefix: true });
  for (let i = 0; i < 40; i++) await client.kv.put(`many/${i}`, "2");
  await tape.progressTo((header?.revision ?? 0) + 40);
  return tape.told();
});

same("the value before, as far as it is still there", async (server) => {
  const { client, base } = server;
  const tape = await server.tape();
  const range = { key: "prev/", end: "prev0", prevKv: true };
  await client.kv.put("prev/a", "1");
  await client.kv.put("prev/b", "1");
  await tape.create(range);
  await client.kv.put("prev/a", "2");
  await client.kv.put("prev/a", "3");
  await client.kv.delete("prev/a");
  await client.kv.put("prev/a", "4");
  await client.kv.delete("prev/", { prefix: true });
  await tape.create({ ...range, start: base + 1 });
  await tape.progressTo(base + 7);
  await client.kv.compact(base + 3);
  for (const start of [3, 4, 5]) await tape.create({ ...range, start: base + start });
  await tape.progressTo(base + 7);
  await tape.events(2, 6);
  await tape.events(3, 5);
  await tape.events(4, 4);
  return tape.told();
});

same("an id that is free again gets nothing of its former watch", async (server) => {
  const { client } = server;
  const tape = await server.tape();
  for (let i = 0; i < 5; i++) {
    await tape.create({ key: "again", id: 3 });
    const { header } = await client.kv.put("again", `seen ${i}`);
    await tape.progressTo(header?.revision ?? 0);
    tape.cancel(3);
    await until("the cancel", () => tape.answers.filter((r) => r.canceled).length > i);
    await client.kv.put("again", "unseen");
  }
  await tape.create({ key: "again" });
  const { header } = await client.kv.put("again", "seen by another");
  await tape.progressTo(header?.revision ?? 0);
  return tape.told();
});

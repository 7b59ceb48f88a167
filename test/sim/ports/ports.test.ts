import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Actor, World } from "../world.ts";
import { SimClock } from "./clock.ts";
import { SimDisk } from "./disk.ts";
import { EngineFiles, SimEngine } from "./engine.ts";
import { calmNetwork, SimNetwork } from "./network.ts";

const bytes = (s: string): Uint8Array => Buffer.from(s);

/** Runs the world until the promise has settled. */
async function finish<T>(world: World, promise: Promise<T>): Promise<T> {
  let settled = false;
  const mark = () => {
    settled = true;
  };
  promise.then(mark, mark);
  await world.runAsync(world.nowUs + 60_000_000, () => settled);
  return promise;
}

function fixture(seed: string) {
  const world = new World(seed);
  const actor = new Actor("m1");
  const disk = new SimDisk(world, actor);
  const crash = () => {
    world.kill(actor);
    disk.crash();
  };
  return { world, actor, disk, crash };
}

describe("SimDisk", () => {
  test("keeps what was synced, loses some of what was not, in whole sectors", async () => {
    const lengths = new Set<string>();
    for (let i = 0; i < 30; i++) {
      const { world, disk, crash } = fixture(`disk/${i}`);
      await finish(world, disk.mkdir("/d"));
      const file = await finish(world, disk.open("/d/f", { create: true }));
      await finish(world, file.writeDurably([bytes("a".repeat(700))], 0));
      await finish(world, disk.syncDir("/d"));
      await finish(world, disk.syncDir("/"));
      await finish(world, file.write([bytes("b".repeat(2000))], 700));
      crash();
      const again = await finish(world, disk.open("/d/f"));
      const text = Buffer.from(await finish(world, again.read(0, 5000))).toString();
      assert.equal(text.slice(0, 700), "a".repeat(700));
      for (let s = 1024; s + 512 <= text.length; s += 512) {
        const sector = new Set(text.slice(s, s + 512));
        assert.equal(sector.size, 1, "a sector is all there or not at all");
      }
      lengths.add(text.replaceAll("\0", "").length.toString());
    }
    assert.ok(lengths.size > 2, `crashes differ: ${[...lengths]}`);
  });

  test("forgets a file whose folder was not synced", async () => {
    let lost = 0;
    for (let i = 0; i < 20; i++) {
      const { world, disk, crash } = fixture(`names/${i}`);
      await finish(world, disk.mkdir("/d"));
      await finish(world, disk.syncDir("/"));
      const file = await finish(world, disk.open("/d/f", { create: true }));
      await finish(world, file.writeDurably([bytes("x")], 0));
      crash();
      if (!(await finish(world, disk.exists("/d/f")))) lost++;
    }
    assert.ok(lost > 0 && lost < 20, `${lost} of 20 were lost`);
  });

  test("a call of a process that died never returns", async () => {
    const { world, disk, crash } = fixture("dead");
    let returned = false;
    void disk.mkdir("/d").then(() => {
      returned = true;
    });
    crash();
    await world.runAsync(1_000_000);
    assert.equal(returned, false);
  });

  test("rejects a failed sync and a full disk", async () => {
    const { world, disk } = fixture("broken");
    const file = await finish(world, disk.open("/f", { create: true }));
    disk.faults.failNextSync = true;
    await assert.rejects(finish(world, file.writeDurably([bytes("x")], 0)), { code: "EIO" });
    // What a failed sync had before it is not made durable by the next one.
    const log = await finish(world, disk.open("/log", { create: true }));
    await finish(world, disk.syncDir("/"));
    let lost = 0;
    for (let i = 0; i < 20; i++) {
      await finish(world, log.write([bytes("x")], i * 512));
      disk.faults.next = { code: "EIO", folder: "/log" };
      await assert.rejects(finish(world, log.sync()), { code: "EIO" });
      await finish(world, log.sync());
    }
    disk.crash();
    const left = await finish(world, log.read(0, 20 * 512));
    for (let i = 0; i < 20; i++) if (left[i * 512] !== 120) lost++;
    assert.ok(lost > 0 && lost < 20, `${lost} of 20 lost`);
    disk.faults.capacityBytes = 10;
    await assert.rejects(finish(world, file.write([bytes("y".repeat(11))], 0)), { code: "ENOSPC" });
  });
});

describe("SimEngine", () => {
  test("comes back with a front part of its unflushed batches", async () => {
    const counts = new Set<number>();
    for (let i = 0; i < 30; i++) {
      const world = new World(`engine/${i}`);
      const actor = new Actor("m1");
      const files = new EngineFiles();
      const engine = new SimEngine(world, actor, files);
      for (let k = 0; k < 6; k++) {
        const key = bytes(`k${k}`);
        await finish(world, engine.write([{ kind: "put", key, value: bytes("v") }]));
        if (k === 1) await finish(world, engine.flush());
      }
      world.kill(actor);
      files.crash(world.random);
      const again = new SimEngine(world, actor, files);
      const keys = Array.from({ length: 6 }, (_, k) => bytes(`k${k}`));
      const found = (await finish(world, again.getMany(keys))).map((v) => v !== undefined);
      const count = found.lastIndexOf(true) + 1;
      assert.ok(count >= 2 && found.slice(0, count).every(Boolean), `no holes: ${found}`);
      counts.add(count);
    }
    assert.ok(counts.size > 2);
  });

  test("scan() gives the rows of its beginning, in order and in chunks", async () => {
    const world = new World("scan");
    const engine = new SimEngine(world, new Actor("m1"), new EngineFiles());
    const put = (k: string) => ({ kind: "put" as const, key: bytes(k), value: bytes(k) });
    await finish(world, engine.write(["c", "a", "b", "z"].map(put)));
    const chunks: string[][] = [];
    const read = async () => {
      for await (const rows of engine.scan({ gte: bytes("a"), lt: bytes("z"), chunkRows: 2 })) {
        chunks.push(rows.map(([k]) => Buffer.from(k).toString()));
      }
    };
    await finish(world, read());
    assert.deepEqual(chunks, [["a", "b"], ["c"]]);
  });
});

describe("SimNetwork", () => {
  test("keeps the order of a link only when told so", () => {
    for (const fifo of [true, false]) {
      const world = new World("net");
      const network = new SimNetwork<number>(world, { ...calmNetwork, delayMeanUs: 5_000, fifo });
      const got: number[] = [];
      network.attach(2, new Actor("m2"), (m) => got.push(m));
      for (let i = 0; i < 50; i++) network.send(1, 2, i, () => "m");
      world.run(10_000_000);
      const sorted = [...got].sort((a, b) => a - b);
      assert.equal(got.length, 50);
      assert.equal(JSON.stringify(got) === JSON.stringify(sorted), fifo);
    }
  });

  test("a cut takes one direction", () => {
    const world = new World("cut");
    const network = new SimNetwork<string>(world, { ...calmNetwork, fifo: false });
    const got: string[] = [];
    for (const id of [1, 2]) network.attach(id, new Actor(`m${id}`), (m) => got.push(m));
    network.cut(1, 2);
    assert.equal(
      network.send(1, 2, "lost", () => ""),
      false,
    );
    assert.equal(
      network.send(2, 1, "there", () => ""),
      true,
    );
    world.run(1_000_000);
    assert.deepEqual(got, ["there"]);
  });
});

describe("SimClock", () => {
  test("runs at the rate of its process; a paused process sees nothing", () => {
    const world = new World("clock");
    const actor = new Actor("m1");
    actor.ratePpm = 2_000_000;
    const clock = new SimClock(world, actor);
    const rung: number[] = [];
    clock.after(100, () => rung.push(world.nowUs));
    world.run(60_000);
    assert.deepEqual(rung, [50_000]);
    clock.after(10, () => rung.push(world.nowUs));
    world.pause(actor);
    world.run(200_000);
    assert.equal(rung.length, 1);
    world.resume(actor);
    world.run(200_001);
    assert.deepEqual(rung, [50_000, 200_000]);
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Index, MemberId, Revision, Term } from "../../../src/core/types.ts";
import type { Clock } from "../../../src/ports/index.ts";
import { Backend, type BackendOptions, type RevRow } from "../../../src/storage/backend/index.ts";
import { MemoryEngine } from "../memory-engine.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

/** Runs what lingers when told to. */
class ManualClock implements Clock {
  due: (() => void)[] = [];
  nowMs = (): number => 0;
  wallMs = (): number => 0;
  after(_ms: number, f: () => void): () => void {
    this.due.push(f);
    return () => {
      this.due = this.due.filter((g) => g !== f);
    };
  }
  soon(f: () => void): void {
    setImmediate(f);
  }
}

async function open(more: Partial<BackendOptions> = {}) {
  const engine = (more.engine as MemoryEngine | undefined) ?? new MemoryEngine();
  const clock = new ManualClock();
  const fatal: Error[] = [];
  const backend = await Backend.open({
    engine,
    clock,
    faults: { hit: () => undefined },
    logger: quiet,
    onFatal: (error) => fatal.push(error),
    ...more,
  });
  return { engine, clock, fatal, backend };
}

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value).toString();

async function revisions(rows: AsyncIterable<readonly RevRow[]>): Promise<string[]> {
  const all: string[] = [];
  for await (const chunk of rows) {
    for (const r of chunk) all.push(`${r.main}_${r.sub}${r.tombstone ? "t" : ""}=${text(r.value)}`);
  }
  return all;
}

test("Backend.get sees a row at once, and after a restart by prefetch", async () => {
  const { backend, engine } = await open();
  backend.put(2, 0, false, bytes("a"));
  assert.equal(text(backend.get(2, 0)), "a");
  assert.equal(backend.get(2, 1), undefined);
  backend.setMeta({ appliedIndex: 5 as Index, revision: 2 as Revision });
  backend.commit();
  assert.equal(await backend.fence(), 5);

  const again = (await open({ engine })).backend;
  assert.equal(again.get(2, 0), undefined);
  await again.prefetch([{ main: 2, sub: 0 }]);
  assert.equal(text(again.get(2, 0)), "a");
  assert.equal(again.meta.appliedIndex, 5);
  assert.equal(again.meta.revision, 2);
  await assert.rejects(again.prefetch([{ main: 3, sub: 0 }]), { name: "BackendError" });
});

test("Backend.meta of a new engine is that of an empty store", async () => {
  const { backend } = await open();
  assert.deepEqual(backend.meta, {
    appliedIndex: 0,
    appliedTerm: 0,
    confState: undefined,
    revision: 1,
    scheduledCompactRevision: 0,
    finishedCompactRevision: 0,
    logicalBytes: 0,
  });
});

test("Backend keeps meta whole across a restart", async () => {
  const { backend, engine } = await open();
  const meta = {
    appliedIndex: (2 ** 40) as Index,
    appliedTerm: 7 as Term,
    confState: {
      voters: [0xfedcba9876543210n, 1n] as MemberId[],
      learners: [0x8000000000000001n] as MemberId[],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    },
    revision: 99 as Revision,
    scheduledCompactRevision: 50 as Revision,
    finishedCompactRevision: 40 as Revision,
  };
  backend.setMeta(meta);
  backend.commit();
  await backend.fence();
  assert.deepEqual((await open({ engine })).backend.meta, { ...meta, logicalBytes: 0 });
});

test("Backend writes only whole units, and joins those that wait into one batch", async () => {
  const { backend, engine, clock } = await open();
  backend.put(2, 0, false, bytes("a"));
  backend.setMeta({ appliedIndex: 1 as Index });
  backend.commit();
  backend.put(3, 0, false, bytes("b"));
  backend.setMeta({ appliedIndex: 2 as Index });
  backend.commit();
  backend.put(4, 0, false, bytes("not committed"));
  backend.setMeta({ appliedIndex: 3 as Index });
  assert.equal(engine.batches, 0);
  assert.equal(clock.due.length, 1);
  for (const f of clock.due.splice(0)) f();
  assert.equal(await backend.fence(), 2);
  assert.equal((await open({ engine })).backend.meta.appliedIndex, 2);
  assert.equal(engine.batches, 1);
  assert.deepEqual(await revisions(backend.scanRev({ main: 0, sub: 0 })), ["2_0=a", "3_0=b"]);
  backend.commit();
  assert.deepEqual(await revisions(backend.scanRev({ main: 3, sub: 0 }, { main: 5, sub: 0 })), [
    "3_0=b",
    "4_0=not committed",
  ]);
});

test("Backend never has rows without their meta after a crash", async () => {
  for (let lost = 0; lost <= 6; lost++) {
    const { backend, engine } = await open({ batchBytes: 1 });
    for (let i = 1; i <= 6; i++) {
      backend.put(i + 1, 0, false, bytes(`v${i}`));
      backend.setMeta({ appliedIndex: i as Index, revision: (i + 1) as Revision });
      backend.commit();
      if (i === 2) await backend.fence();
    }
    await backend.view();
    engine.crash(lost);
    const again = (await open({ engine })).backend;
    const rows = await revisions(again.scanRev({ main: 0, sub: 0 }));
    assert.equal(again.meta.appliedIndex, Math.max(2, 6 - lost));
    assert.equal(rows.length, again.meta.appliedIndex);
    assert.equal(again.meta.revision, again.meta.appliedIndex + 1);
  }
});

test("Backend.view pins rows and meta together", async () => {
  const { backend } = await open();
  backend.put(2, 0, false, bytes("a"));
  backend.putRow("lease", bytes("12345678"), bytes("l"));
  backend.setMeta({ appliedIndex: 1 as Index });
  backend.commit();
  const view = await backend.view();
  backend.put(3, 0, true, bytes("b"));
  backend.deleteRow("lease", bytes("12345678"));
  backend.setMeta({ appliedIndex: 2 as Index });
  backend.commit();
  await backend.fence();
  assert.equal(view.meta.appliedIndex, 1);
  assert.deepEqual(await revisions(view.scanRev({ main: 0, sub: 0 })), ["2_0=a"]);
  const leases = [];
  for await (const chunk of view.scan("lease")) leases.push(...chunk);
  assert.deepEqual(
    leases.map(([k, v]) => `${text(k)}=${text(v)}`),
    ["12345678=l"],
  );
  await view.release();
  for await (const chunk of backend.scan("lease")) assert.fail(`${chunk.length} leases`);
  assert.deepEqual(await revisions(backend.scanRev({ main: 3, sub: 0 })), ["3_0t=b"]);
});

test("Backend.remove deletes rows from memory and engine and counts their bytes off", async () => {
  const { backend, engine } = await open();
  backend.put(2, 0, false, bytes("abc"));
  backend.put(3, 0, true, bytes("k"));
  backend.commit();
  assert.equal(backend.meta.logicalBytes, 17 + 3 + 18 + 1);
  await backend.fence();
  const again = (await open({ engine })).backend;
  await again.remove([
    { main: 2, sub: 0, tombstone: false },
    { main: 3, sub: 0, tombstone: true },
    { main: 9, sub: 0, tombstone: false },
  ]);
  again.commit();
  assert.equal(again.meta.logicalBytes, 0);
  assert.deepEqual(await revisions(again.scanRev({ main: 0, sub: 0 })), []);
});

test("Backend holds back while too much is dirty, and never evicts dirty rows", async () => {
  const engine = new MemoryEngine();
  let openGate = (): void => {};
  engine.gate = new Promise((resolve) => {
    openGate = resolve;
  });
  const { backend } = await open({ engine, dirtyBytesMax: 1_000_000, tierBytesMax: 300_000 });
  for (let i = 0; i < 1500; i++) {
    backend.put(i + 2, 0, false, Buffer.alloc(1000, i));
    backend.commit();
  }
  assert.equal(backend.backpressure, true);
  for (let i = 0; i < 1500; i++) assert.equal(backend.get(i + 2, 0)?.[999], i & 255);
  const relieved = backend.relieved();
  openGate();
  await relieved;
  assert.equal(backend.backpressure, false);
  await backend.fence();
  assert.equal(backend.dirtyBytes, 0);
  for (let i = 0; i < 40; i++) backend.commit();
  await backend.prefetch([]);
  assert.ok(backend.tierBytes < 1_000_000, `${backend.tierBytes}`);
});

test("Backend keeps prefetched rows long enough, however small its budget", async () => {
  const engine = new MemoryEngine();
  const first = await open({ engine });
  for (let i = 0; i < 2000; i++) first.backend.put(i + 2, 0, false, Buffer.alloc(1000, i));
  first.backend.commit();
  await first.backend.fence();
  const { backend } = await open({ engine, tierBytesMax: 1 });
  const rows = (from: number) =>
    Array.from({ length: 500 }, (_, i) => ({ main: from + i, sub: 0 }));
  await backend.prefetch(rows(2));
  await backend.prefetch(rows(1002));
  for (const { main, sub } of [...rows(2), ...rows(1002)]) {
    assert.equal(backend.get(main, sub)?.[0], (main - 2) & 255);
  }
});

test("Backend stops once a write has failed", async () => {
  const { backend, engine, fatal } = await open();
  engine.failure = new Error("disk full");
  backend.put(2, 0, false, bytes("a"));
  backend.commit();
  await assert.rejects(backend.fence(), /disk full/);
  await assert.rejects(backend.view(), /disk full/);
  assert.deepEqual(
    fatal.map((e) => e.message),
    ["disk full"],
  );
});

test("Backend.open refuses rows of a newer format", async () => {
  const { backend, engine } = await open();
  backend.setMeta({ appliedIndex: 1 as Index });
  backend.commit();
  await backend.fence();
  for await (const chunk of engine.scan({ gte: Buffer.from("z"), lt: Buffer.from("{") })) {
    const row = chunk.find(([key]) => text(key)?.endsWith("quoin_format"));
    assert.ok(row);
    await engine.write([{ kind: "put", key: row[0], value: Buffer.from([200]) }]);
  }
  await assert.rejects(open({ engine }), /Use a newer Quoin: the rows have format 200/);
});

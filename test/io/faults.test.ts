import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  createLogger,
  createRandom,
  noFaults,
  openFaults,
  type SwitchableFaults,
} from "../../src/io/index.ts";

const quiet = createLogger({ write: () => {} });

async function open(t: TestContext, env: Record<string, string>): Promise<Opened> {
  const panics: string[] = [];
  const panic = (name: string): void => {
    panics.push(name);
  };
  const faults = await openFaults({ env, random: createRandom(), logger: quiet, panic });
  const switchable = faults as SwitchableFaults;
  t.after(() => switchable.close());
  return { faults: switchable, panics };
}

interface Opened {
  readonly faults: SwitchableFaults;
  readonly panics: string[];
}

test("openFaults() is inert without its variables", async () => {
  const faults = await openFaults({ env: {}, random: createRandom(), logger: quiet });
  assert.equal(faults, noFaults);
  assert.equal(faults.hit("raftBeforeSave"), undefined);
});

test("openFaults() arms what GOFAIL_FAILPOINTS says, with counts, chains and chances", async (t) => {
  const { faults, panics } = await open(t, {
    GOFAIL_FAILPOINTS:
      'raftBeforeSave=panic;raftAfterSave=2*return("x")->1*return(5)->off; walBeforeSync=0.0%return',
  });
  faults.hit("raftBeforeSave");
  assert.deepEqual(panics, ["raftBeforeSave"]);
  const results = Array.from({ length: 4 }, () => faults.hit("raftAfterSave"));
  assert.deepEqual(results, ["x", "x", "5", undefined]);
  for (let i = 0; i < 50; i++) assert.equal(faults.hit("walBeforeSync"), undefined);
  assert.equal(faults.address, undefined);
  faults.set("walAfterSync", 'sleep("20ms")');
  const started = performance.now();
  faults.hit("walAfterSync");
  assert(performance.now() - started >= 19);
});

test("openFaults() rejects malformed variables", async (t) => {
  const bad = [
    "raftBeforeSave",
    "raftBeforeSave=explode",
    "noSuchPoint=panic",
    "raftBeforeSave=sleep(x)",
  ];
  for (const text of bad) {
    await assert.rejects(open(t, { GOFAIL_FAILPOINTS: text }), Error, text);
  }
  await assert.rejects(open(t, { GOFAIL_HTTP: "nowhere" }), /host:port/);
});

test("the HTTP endpoint lists, sets, counts and clears points as gofail's does", async (t) => {
  const { faults, panics } = await open(t, { GOFAIL_HTTP: "127.0.0.1:0" });
  const url = `http://${faults.address}`;
  const put = (name: string, body: string): Promise<Response> =>
    fetch(`${url}/${name}`, { method: "PUT", body });
  assert.equal((await put("beforeCommit", "panic")).status, 204);
  assert.equal(
    (await put("failpoints", 'afterCommit=return("a");raftAfterSave=print')).status,
    204,
  );
  assert.equal((await put("beforeCommit", "nonsense")).status, 400);
  assert.equal((await put("noSuchPoint", "panic")).status, 400);
  faults.hit("beforeCommit");
  assert.deepEqual(panics, ["beforeCommit"]);
  assert.equal(faults.hit("afterCommit"), "a");

  const list = await (await fetch(`${url}/`)).text();
  assert(list.includes("\nbeforeCommit=panic\n") && list.includes("\nwalAfterSync=\n"));
  assert.equal(await (await fetch(`${url}/beforeCommit`)).text(), "panic\n");
  assert.equal(await (await fetch(`${url}/beforeCommit/count`)).text(), "1");
  const remove = (): Promise<Response> => fetch(`${url}/beforeCommit`, { method: "DELETE" });
  assert.equal((await remove()).status, 204);
  assert.equal((await remove()).status, 400);
  assert.equal((await fetch(`${url}/beforeCommit`)).status, 404);
  assert.equal(faults.hit("beforeCommit"), undefined);
});

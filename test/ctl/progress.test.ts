import assert from "node:assert/strict";
import { test } from "node:test";
import { Progress } from "../../src/ctl/progress.ts";

function terminal(errorIsTerminal: boolean) {
  const written: string[] = [];
  const out = {
    text: () => assert.fail("stdout stays clean"),
    bytes: () => assert.fail("stdout stays clean"),
    error: (text: string) => void written.push(text),
    errorIsTerminal,
  };
  let now = 0;
  const progress = new Progress(out, () => now);
  return { written, progress, pass: (ms: number) => (now += ms) };
}

test("Progress writes one line over itself five times a second and takes it away", () => {
  const { written, progress, pass } = terminal(true);
  progress.show("receiving", 0, 200e6);
  pass(100);
  progress.show("receiving", 10e6, 200e6);
  pass(1900);
  progress.show("receiving", 50e6, 200e6);
  progress.end();
  progress.end();
  assert.deepEqual(written, [
    "\rreceiving: 0% (0 B of 200 MB)\x1b[K",
    "\rreceiving: 25% (50 MB of 200 MB, 25 MB/s, 6 s left)\x1b[K",
    "\r\x1b[K",
  ]);
});

test("Progress starts its pace anew for each piece of work, and never passes 100%", () => {
  const { written, progress, pass } = terminal(true);
  progress.show("checking", 1, 100);
  pass(60_000);
  progress.show("restoring", 120, 100);
  assert.equal(written[1], "\rrestoring: 100% (100 B of 100 B)\x1b[K");
});

test("Progress writes nothing where nobody watches", () => {
  const { written, progress } = terminal(false);
  progress.show("receiving", 1, 2);
  progress.end();
  assert.deepEqual(written, []);
});

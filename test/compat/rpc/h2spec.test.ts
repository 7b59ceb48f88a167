// h2spec (github.com/summerwind/h2spec), whole and strict, against a member and against TLS. A real
// etcd 3.7.3 fails 25 of its tests; we fail none.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createMembers, quoin, toolFolder } from "../../process/member.ts";
import { startTlsServer } from "../../rpc/tls-fixture.ts";

/** Of version 2.2.1: the sections generic, http2 and hpack. */
const testCount = 146;

interface Outcome {
  readonly summary: string;
  readonly output: string;
}

function h2spec(port: number, ...flags: string[]): Promise<Outcome> {
  const folder = toolFolder("h2spec");
  assert(folder, "h2spec needs Go to be built");
  // A test may wait this long for an answer: the machine may be busy, and none should be needed.
  const args = ["--strict", "--timeout=20", "--host=127.0.0.1", `--port=${port}`, ...flags];
  return new Promise((resolve) => {
    execFile(join(folder, "h2spec"), args, { timeout: 240_000 }, (_, stdout, stderr) => {
      const summary = /\d+ tests, .*/.exec(stdout)?.[0] ?? "no summary";
      resolve({ summary, output: `${stdout}\n${stderr}` });
    });
  });
}

const allPassed = `${testCount} tests, ${testCount} passed, 0 skipped, 0 failed`;

test("h2spec finds nothing wrong with a member", async () => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-h2spec-"));
  try {
    // Without a limit of streams the test of that limit is skipped.
    const [member] = await createMembers(quoin, folder, 1, ["--max-concurrent-streams=100"]);
    await using running = member!;
    running.start();
    await running.ready();
    const { summary, output } = await h2spec(Number(new URL(running.endpoint).port));
    assert.equal(summary, allPassed, output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("h2spec finds nothing wrong over TLS", async () => {
  await using running = await startTlsServer({}, { limits: { concurrentStreams: 100 } });
  const { summary, output } = await h2spec(running.port, "--tls", "--insecure");
  assert.equal(summary, allPassed, output);
});

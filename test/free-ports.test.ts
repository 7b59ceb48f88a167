import assert from "node:assert/strict";
import { test } from "node:test";

test("freePorts() gives no port to two processes", async () => {
  // Each has a module of its own, as in a process of its own.
  const file = import.meta.resolve("./free-ports.ts");
  const both = [import(`${file}?first`), import(`${file}?second`)] as Promise<
    typeof import("./free-ports.ts")
  >[];
  const given = await Promise.all(both.map(async (module) => (await module).freePorts(300)));
  assert.equal(new Set(given.flat()).size, 600);
});

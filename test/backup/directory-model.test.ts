// A folder does what the storage in memory does, whatever is asked of the two.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { DirectoryDestination } from "../../src/backup/directory.ts";
import { BackupError, type Destination } from "../../src/backup/types.ts";
import { MemoryDestination } from "./memory-destination.ts";

/** Few names, so that they meet: as files and as folders of others. */
const someKey = fc
  .array(fc.constantFrom("a", "a.db", "a-b", "B", "é", "a.db.manifest.json"), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) => parts.join("/"));
const someBytes = fc.uint8Array({ maxLength: 20 });

type Step =
  | {
      readonly kind: "store" | "abort" | "replace";
      readonly key: string;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "delete" | "read" | "list"; readonly key: string };

const someStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("store" as const, "abort" as const, "replace" as const),
    key: someKey,
    bytes: someBytes,
  }),
  fc.record({
    kind: fc.constantFrom("delete" as const, "read" as const, "list" as const),
    key: someKey,
  }),
);

/** What can be seen of a step: its result, or the code of its error. */
async function done(destination: Destination, step: Step): Promise<unknown> {
  try {
    return await result(destination, step);
  } catch (error) {
    if (error instanceof BackupError) return error.code;
    throw error;
  }
}

async function result(destination: Destination, step: Step): Promise<unknown> {
  switch (step.kind) {
    case "store":
    case "abort": {
      const writer = await destination.create(step.key, { sizeBytes: step.bytes.byteLength });
      await writer.write(step.bytes.subarray(0, 7));
      await writer.write(step.bytes.subarray(7));
      return step.kind === "store" ? writer.commit() : writer.abort();
    }
    case "replace":
      return destination.writeSmall(step.key, step.bytes);
    case "delete":
      return destination.delete(step.key);
    case "read": {
      const bytes = await destination.readSmall(step.key, 15);
      return bytes === undefined ? undefined : Buffer.from(bytes).toString("hex");
    }
    case "list":
      return listed(destination, step.key);
  }
}

async function listed(destination: Destination, prefix: string): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { key, sizeBytes } of destination.list(prefix)) found.push([key, sizeBytes]);
  return found;
}

/** In a folder a name is a file or a folder; a bucket has no such thing. */
const clashes = (written: ReadonlySet<string>, { key }: Step): boolean =>
  [...written].some((it) => it.startsWith(`${key}/`) || key.startsWith(`${it}/`));

test("a folder and the storage in memory give the same answers to any steps", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(someStep, { maxLength: 25 }), async (steps) => {
      const root = mkdtempSync(join(tmpdir(), "quoin-model-"));
      try {
        const folder = new DirectoryDestination({ kind: "directory", directory: root }, undefined);
        const memory = new MemoryDestination();
        const written = new Set<string>();
        for (const step of steps) {
          if ("bytes" in step) {
            if (clashes(written, step)) continue;
            written.add(step.key);
          }
          assert.deepEqual(
            await done(folder, step),
            await done(memory, step),
            JSON.stringify(step),
          );
        }
        assert.deepEqual(await listed(folder, ""), await listed(memory, ""));
        assert.equal(await folder.sweep("", -60_000), 0, "no unfinished file is left");
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    }),
    { numRuns: 60 },
  );
});

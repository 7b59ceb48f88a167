import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { checkStory } from "./story.ts";

const folder = new URL("testdata/", import.meta.url);

for (const file of readdirSync(folder).filter((f) => f.endsWith(".story"))) {
  test(`plan() acts as told in ${file}`, () => {
    const { actual, expected } = checkStory(new URL(file, folder).pathname);
    assert.equal(actual, expected);
  });
}

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Story } from "./story.ts";

/**
 * Golden stories: commands, `----`, what happened, an empty line. `node stories.test.ts --rewrite`
 * writes anew what happened; the difference is then read by a human.
 */
const folder = join(import.meta.dirname, "testdata");
const rewrite = process.argv.includes("--rewrite") || process.env["REWRITE"] === "1";

/** Replays a story: everything up to a `----` line is remarks and commands. */
function replay(source: string): string {
  const story = new Story();
  const blocks = source.trimEnd().split(/\n\n(?=[^\n])/);
  const told: string[] = [];
  for (const block of blocks) {
    const input = block.split("\n----")[0] ?? "";
    const lines = input.split("\n");
    const commands = lines.filter((l) => l.trim() !== "" && !l.startsWith("#"));
    if (commands.length === 0) {
      told.push(input);
      continue;
    }
    const outputs = commands.map((c) => story.run(c)).filter((o) => o !== "ok");
    told.push(`${input}\n----\n${outputs.length === 0 ? "ok" : outputs.join("\n")}`);
  }
  return `${told.join("\n\n")}\n`;
}

describe("raft stories", () => {
  for (const file of readdirSync(folder).filter((f) => f.endsWith(".txt"))) {
    test(file.replace(".txt", "").replaceAll("-", " "), () => {
      const path = join(folder, file);
      const before = readFileSync(path, "utf8");
      const after = replay(before);
      if (rewrite) writeFileSync(path, after);
      else assert.equal(after, before);
    });
  }
});

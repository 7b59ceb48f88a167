import assert from "node:assert/strict";
import { test } from "node:test";
import type { Program } from "../../src/ctl/command.ts";
import type { Output } from "../../src/ctl/output.ts";
import { runProgram } from "../../src/ctl/run.ts";

const flag = { name: "form", short: "f", type: "string", default: "", usage: "a form" } as const;
const program: Program = {
  name: "prog",
  short: "a program",
  flags: [{ ...flag, values: ["long", "short"] }],
  commands: [
    {
      name: "group",
      short: "a group",
      load: async () => ({
        use: "group <subcommand>",
        commands: [{ use: "do <what>", short: "does it", words: ["this", "that"] }],
      }),
    },
    {
      name: "grow",
      short: "grows",
      load: async () => ({ use: "grow", run: async () => undefined }),
    },
  ],
};

async function run(...argv: string[]): Promise<{ code: number; text: string; error: string }> {
  const said = { text: "", error: "" };
  const out: Output = {
    text: (text) => {
      said.text += text;
    },
    bytes: (bytes) => {
      said.text += Buffer.from(bytes);
    },
    error: (text) => {
      said.error += text;
    },
    errorIsTerminal: false,
  };
  return { code: await runProgram(program, argv, {}, out), ...said };
}

test("__complete offers commands, flags and their values", async () => {
  const offered = async (...words: string[]): Promise<string> =>
    (await run("__completeNoDesc", ...words)).text;
  assert.equal(await offered("g"), "group\ngrow\n:4\n");
  assert.equal(await offered("--f"), "--form\n:4\n");
  assert.equal(await offered("-f", "s"), "short\n:4\n");
  assert.equal(await offered("group", "--form=l"), "--form=long\n:4\n");
  assert.equal(await offered("group", "do", "t"), "this\nthat\n:4\n");
  assert.equal(await offered("group", "do", "this", ""), ":4\n");
  assert.equal(await offered("grow", ""), ":0\n");
  assert.equal(await offered("nonsense", ""), ":4\n");
  assert.equal((await run("__complete", "gro")).text, "group\ta group\ngrow\tgrows\n:4\n");
});

test("runProgram() takes the beginning of a name that no other has", async () => {
  assert.equal((await run("grow")).code, 0);
  assert.equal((await run("grow", "--form", "long")).code, 0);
  assert.match((await run("grou", "d")).text, /^Usage:\n {2}prog group do <what> \[flags\]\n/);
  const { code, error } = await run("gr");
  assert.equal(code, 1);
  assert.match(
    error,
    /^Error: unknown command "gr" for "prog"\n\nDid you mean this\?\n\tgroup\n\tgrow\n\nRun/,
  );
});

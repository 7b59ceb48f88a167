// Every command and flag that real etcdctl and etcdutl have is there, with its letter, type and
// default. The sentences of help are our own; commands that only we have may be more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { execute, ours, skip, type Tool, theirs } from "./command-lines.ts";

/** Help of 3.7.3 offers it; what it prints nobody could check here. */
const known = new Set(["completion"]);

interface Node {
  readonly commands: string[];
  /** `-w, --write-out string (default "simple")`, without the sentence. */
  readonly flags: string[];
}

async function helpOf(tool: Tool, path: readonly string[]): Promise<Node> {
  const { stdout } = await execute(tool, { args: [...path, "--help"] });
  const commands: string[] = [];
  const flags: string[] = [];
  for (const line of stdout.split("\n")) {
    const command = /^ {2}([a-z][\w-]*) +\S/.exec(line)?.[1];
    const isUsage = line.startsWith("  etcd");
    if (command !== undefined && !isUsage) commands.push(command);
    const flag = /^ {2,6}((?:-\w, )?--[\w-]+(?: [a-z]+\d*)?) {2,}/.exec(line)?.[1];
    const preset = /\(default ([^()]*)\)$/.exec(line)?.[1] ?? "";
    if (flag !== undefined) flags.push(`${flag} ${preset}`.trim());
  }
  return { commands, flags };
}

async function compareTree(name: "etcdctl" | "etcdutl", path: readonly string[]): Promise<number> {
  const [wanted, got] = await Promise.all([helpOf(theirs(name), path), helpOf(ours(name), path)]);
  const title = [name, ...path].join(" ");
  const missing = (list: "commands" | "flags"): string[] =>
    wanted[list].filter((item) => !got[list].includes(item));
  assert.deepEqual(missing("commands"), [], `${title}: commands`);
  assert.deepEqual(missing("flags"), [], `${title}: flags`);
  let count = 1;
  for (const command of wanted.commands) {
    if (command === "help" || known.has(command)) continue;
    count += await compareTree(name, [...path, command]);
  }
  return count;
}

for (const [name, least] of [["etcdctl", 60] as const, ["etcdutl", 8] as const]) {
  test(`every command and flag of ${name} is there`, { skip }, async () => {
    const count = await compareTree(name, []);
    assert.ok(count >= least, `only ${count} commands were looked at`);
  });
}

test("etcdctl's global flags are all there", { skip }, async () => {
  const flagsOf = async (tool: Tool): Promise<string[]> => {
    const { stdout } = await execute(tool, { args: ["options"] });
    return stdout
      .split("\n")
      .map((line) => /^ {2,6}((?:-\w, )?--[\w-]+(?: \w+)?) {2,}/.exec(line)?.[1] ?? "");
  };
  assert.deepEqual(await flagsOf(ours("etcdctl")), await flagsOf(theirs("etcdctl")));
});

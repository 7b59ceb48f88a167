// The scripts of `completion` in real shells, where they are installed: what Tab would offer.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ours } from "./command-lines.ts";
import { scratch } from "./snapshot-tools.ts";

const hasShell = (name: string): boolean => {
  try {
    execFileSync(name, ["-c", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

/** A script for the shell that prints one candidate a line for the words of a command line. */
const asking: Readonly<Record<string, (file: string, words: readonly string[]) => string>> = {
  bash: (file, words) => `
    source '${file}'
    COMP_WORDS=(${words.map((w) => `'${w}'`).join(" ")})
    COMP_CWORD=${words.length - 1}
    __etcdctl_complete
    printf '%s\\n' "\${COMPREPLY[@]}"`,
  // compadd is what every completion of zsh ends in; outside the line editor it is ours.
  zsh: (file, words) => `
    compdef() { : }
    _describe() { local -a list; list=("\${(@P)2}"); print -l -- "\${list[@]%%:*}" }
    _files() { print -- FILES }
    source '${file}'
    words=(${words.map((w) => `'${w}'`).join(" ")})
    CURRENT=${words.length}
    _etcdctl`,
  fish: (file, words) => `
    source '${file}'
    complete -C '${words.join(" ")}' | string replace -r '\\t.*' ''
    true`,
};

for (const [shell, script] of Object.entries(asking)) {
  const skip = hasShell(shell) ? false : `no ${shell} in PATH`;
  test(`${shell} completes etcdctl's command lines`, { skip }, (t) => {
    const dir = scratch(t);
    const folder = join(dir, "bin");
    mkdirSync(folder);
    const launcher = join(folder, "etcdctl");
    writeFileSync(launcher, `#!/bin/sh\nexec '${ours("etcdctl")[0]}' "$@"\n`);
    chmodSync(launcher, 0o755);
    const env = { PATH: `${folder}:${process.env["PATH"] ?? ""}`, HOME: dir };
    const file = join(dir, `completion.${shell}`);
    writeFileSync(file, execFileSync(launcher, ["completion", shell], { env }));
    const offered = (...words: string[]): string[] =>
      execFileSync(shell, ["-c", script(file, ["etcdctl", ...words])], { env, encoding: "utf8" })
        .split("\n")
        .filter((line) => line !== "")
        .sort();
    assert.deepEqual(offered("me"), ["member"]);
    assert.deepEqual(offered("member", ""), ["add", "list", "promote", "remove", "update"]);
    assert.deepEqual(offered("get", "--co"), [
      "--command-timeout",
      "--consistency",
      "--count-only",
    ]);
    assert.deepEqual(offered("get", "-w", "p"), ["protobuf"]);
    assert.deepEqual(offered("completion", ""), ["bash", "fish", "zsh"]);
  });
}

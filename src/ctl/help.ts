import { nameOf, type Program, type Step } from "./command.ts";
import type { FlagSpec } from "./flags.ts";

// What cobra prints, in its layout; the sentences are our own.

/** A command's help: what it is for, which etcdutl leaves out, and its usage. */
export function help(program: Program, path: readonly Step[]): string {
  const options = program.optionsCommand;
  if (options === undefined) return usage(program, path);
  const hint = `Use "${program.name} ${options}" for a list of global command-line options (applies to all commands).\n`;
  const short = path.at(-1)?.short ?? program.short;
  return `${short}\n\n${usage(program, path)}${hint}`;
}

/** Usage, commands and flags; ends with a line end. */
export function usage(program: Program, path: readonly Step[]): string {
  const command = path.at(-1)?.command;
  const title = [program.name, ...path.map((s) => s.name)].join(" ");
  const parent = title.split(" ").slice(0, -1).join(" ");
  const isGroup = command === undefined || command.commands !== undefined;
  const own = [...(command?.flags ?? (path.length === 0 ? shownGlobals(program) : []))];
  const line = isGroup ? `${title} [command]` : `${parent} ${command.use} [flags]`;
  const sections = [`Usage:\n  ${line}\n`];
  if (isGroup) sections.push(...commandLists(program, path.at(-1)));
  if (path.length > 0 || program.optionsCommand === undefined) {
    sections.push(`Flags:\n${flagLines([...own, helpFlag(title)])}`);
  }
  const above = path.slice(0, -1).flatMap((s) => s.command.flags ?? []);
  const inherited = path.length === 0 ? [] : [...shownGlobals(program), ...above];
  if (inherited.length > 0) sections.push(`Global Flags:\n${flagLines(inherited)}`);
  if (isGroup) {
    sections.push(`Use "${title} [command] --help" for more information about a command.\n`);
  }
  return sections.join("\n");
}

const shownGlobals = (program: Program): readonly FlagSpec[] =>
  program.optionsCommand === undefined ? program.flags : [];

function commandLists(program: Program, step: Step | undefined): string[] {
  const list = step?.command.commands?.map((c) => ({ name: nameOf(c), short: c.short }));
  const entries: readonly { name: string; short: string; group?: string }[] =
    list ?? [...program.commands].sort((a, b) => (a.name < b.name ? -1 : 1));
  const width = Math.max(...entries.map((e) => e.name.length), 11);
  const groups = new Map<string, string[]>();
  for (const { name, short, group = "Available Commands:" } of entries) {
    const lines = groups.get(group) ?? [];
    groups.set(group, [...lines, `  ${name.padEnd(width)} ${short}\n`]);
  }
  const titles = step === undefined ? [...new Set(program.commands.map((c) => c.group))] : [];
  const order = titles.map((title) => title ?? "Available Commands:");
  return (order.length > 0 ? order : [...groups.keys()]).map(
    (title) => `${title}\n${(groups.get(title) ?? []).join("")}`,
  );
}

const helpFlag = (title: string): FlagSpec => ({
  name: "help",
  short: "h",
  type: "bool",
  default: "false",
  usage: `help for ${title.split(" ").at(-1)}`,
});

/** One line per flag, by name. */
export function flagLines(specs: readonly FlagSpec[]): string {
  const left = (s: FlagSpec): string =>
    `  ${s.short ? `-${s.short}, ` : "    "}--${s.name}${s.type === "bool" ? "" : ` ${typeName(s)}`}`;
  const all = [...specs].sort((a, b) => (a.name < b.name ? -1 : 1));
  const width = Math.max(...all.map((s) => left(s).length)) + 3;
  return all.map((s) => `${left(s).padEnd(width)}${s.usage}${defaultOf(s)}\n`).join("");
}

function defaultOf(spec: FlagSpec): string {
  if (spec.type === "string") {
    return spec.default === "" ? "" : ` (default ${JSON.stringify(spec.default)})`;
  }
  if (["", "0", "false", "0s"].includes(spec.default)) return "";
  return ` (default ${spec.type === "strings" ? `[${spec.default}]` : spec.default})`;
}

const typeName = (spec: FlagSpec): string =>
  spec.type.startsWith("int") || spec.type === "uint64" ? spec.type.replace("64", "") : spec.type;

/** What is said of a command that there is not, with those that were perhaps meant. */
export function unknownCommand(program: Program, word: string): string {
  const close = program.commands
    .map((c) => c.name)
    .filter((n) => distance(n, word.toLowerCase()) <= 2 || n.startsWith(word.toLowerCase()));
  const meant =
    close.length === 0 ? "" : `\n\nDid you mean this?\n${close.map((n) => `\t${n}\n`).join("")}`;
  return (
    `Error: unknown command "${word}" for "${program.name}"${meant}\n` +
    `Run '${program.name} --help' for usage.\n`
  );
}

/** Letters to change, add or take away to come from one word to the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

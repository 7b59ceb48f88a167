import { type Command, nameOf, type Program } from "./command.ts";
import { findCommand } from "./find.ts";
import type { FlagSpec } from "./flags.ts";
import type { Output } from "./output.ts";

/** What the shell does besides offering the words (cobra's ShellCompDirective). */
const directives = { default: 0, noFiles: 4 } as const;

interface Candidate {
  readonly word: string;
  readonly about: string;
}

/**
 * `__complete WORDS...`: what could stand for the last word, one candidate a line, then what the
 * shell is to do. Scripts of real etcdctl and etcdutl understand it too.
 */
export async function complete(
  program: Program,
  words: readonly string[],
  withDescriptions: boolean,
  out: Output,
): Promise<number> {
  const typed = words.at(-1) ?? "";
  const { candidates, directive } = await candidatesFor(program, words.slice(0, -1), typed);
  for (const { word, about } of candidates) {
    if (!word.startsWith(typed)) continue;
    out.text(withDescriptions && about !== "" ? `${word}\t${about}\n` : `${word}\n`);
  }
  out.text(`:${directive}\n`);
  const name = directive === directives.noFiles ? "NoFileComp" : "Default";
  out.error(`Completion ended with directive: ShellCompDirective${name}\n`);
  return 0;
}

async function candidatesFor(
  program: Program,
  before: readonly string[],
  typed: string,
): Promise<{ candidates: Candidate[]; directive: number }> {
  const none = { candidates: [], directive: directives.noFiles };
  const { path, rest, unknown } = await findCommand(program, before);
  if (unknown !== undefined) return none;
  const command = path.at(-1)?.command;
  const specs = [...program.flags, ...path.flatMap((s) => s.command.flags ?? [])];
  const awaited = flagAwaitingValue(before.at(-1), specs);
  if (awaited !== undefined) return values(awaited, "");
  if (typed.startsWith("-")) {
    const equals = typed.indexOf("=");
    const spec = specs.find((s) => equals > 0 && `--${s.name}` === typed.slice(0, equals));
    if (spec !== undefined) return values(spec, typed.slice(0, equals + 1));
    return { candidates: flagWords(specs), directive: directives.noFiles };
  }
  const positional = rest.filter((word) => !word.startsWith("-")).length;
  if (path.length === 0) return { ...none, candidates: entries(program) };
  if (command?.commands !== undefined) return { ...none, candidates: subcommands(command) };
  if (command?.words !== undefined) {
    const words = positional === 0 ? command.words : [];
    return { ...none, candidates: words.map((word) => ({ word, about: "" })) };
  }
  return { candidates: [], directive: directives.default };
}

function flagAwaitingValue(
  word: string | undefined,
  specs: readonly FlagSpec[],
): FlagSpec | undefined {
  if (word === undefined || !word.startsWith("-") || word.includes("=")) return undefined;
  const spec = specs.find((s) => `--${s.name}` === word || `-${s.short}` === word);
  return spec?.type === "bool" ? undefined : spec;
}

/** The values a flag may have; files where it does not say. */
function values(spec: FlagSpec, lead: string): { candidates: Candidate[]; directive: number } {
  const candidates = (spec.values ?? []).map((value) => ({ word: lead + value, about: "" }));
  return { candidates, directive: spec.values ? directives.noFiles : directives.default };
}

const flagWords = (specs: readonly FlagSpec[]): Candidate[] => [
  ...specs.map((s) => ({ word: `--${s.name}`, about: s.usage })),
  { word: "--help", about: "help" },
];

const entries = (program: Program): Candidate[] =>
  program.commands.map((c) => ({ word: c.name, about: c.short }));

const subcommands = (command: Command): Candidate[] =>
  (command.commands ?? []).map((c) => ({ word: nameOf(c), about: c.short }));

import { nameOf, type Program, type Step } from "./command.ts";
import type { FlagSpec } from "./flags.ts";

export interface FoundCommand {
  readonly path: Step[];
  /** `argv` without the command's names. */
  readonly rest: string[];
  /** A word where a command was expected. */
  readonly unknown: string | undefined;
}

/** The command's names are the first words that are neither flags nor values of flags. */
export async function findCommand(
  program: Program,
  argv: readonly string[],
): Promise<FoundCommand> {
  const path: Step[] = [];
  const rest: string[] = [];
  let specs: readonly FlagSpec[] = program.flags;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    const last = path.at(-1);
    if (word === "--" || (last !== undefined && last.command.commands === undefined)) {
      return { path, rest: [...rest, ...argv.slice(i)], unknown: undefined };
    }
    if (word.startsWith("-") && word !== "-") {
      rest.push(word);
      if (takesNext(word, specs) && i + 1 < argv.length) rest.push(argv[++i] as string);
      continue;
    }
    const found = await nextStep(program, last, word);
    if (found === undefined) {
      if (last === undefined) return { path, rest, unknown: word };
      return { path, rest: [...rest, ...argv.slice(i)], unknown: undefined };
    }
    path.push(found);
    specs = [...specs, ...(found.command.flags ?? [])];
  }
  return { path, rest, unknown: undefined };
}

async function nextStep(
  program: Program,
  last: Step | undefined,
  word: string,
): Promise<Step | undefined> {
  if (last === undefined) {
    const entry = named(program.commands, word, (e) => e.name);
    if (entry === undefined) return undefined;
    return { ...entry, offline: entry.offline ?? false, command: await entry.load() };
  }
  const command = named(last.command.commands ?? [], word, nameOf);
  return command && { ...last, name: nameOf(command), short: command.short, command };
}

/** The one of that name, or the only one whose name begins so. */
function named<T>(list: readonly T[], word: string, name: (item: T) => string): T | undefined {
  const exact = list.find((item) => name(item) === word);
  const begun = list.filter((item) => name(item).startsWith(word));
  return exact ?? (begun.length === 1 ? begun[0] : undefined);
}

/** A flag that is not known yet, being of a command whose name comes later, is taken to have a value. */
function takesNext(word: string, specs: readonly FlagSpec[]): boolean {
  if (word.includes("=") || word === "--help") return false;
  if (word.startsWith("--")) return specs.find((s) => s.name === word.slice(2))?.type !== "bool";
  return word.length === 2 && word !== "-h" && typeOfShort(word, specs) !== "bool";
}

const typeOfShort = (word: string, specs: readonly FlagSpec[]): string | undefined =>
  specs.find((s) => s.short === word.charAt(1))?.type;

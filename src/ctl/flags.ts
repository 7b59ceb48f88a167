import { formatDuration, parseDuration } from "../lib/duration.ts";
import { CommandError, exitCode } from "./exit.ts";

/**
 * Command line flags as etcd's tools take them (spf13/pflag): `--name value`, `--name=value`,
 * `-n value`, `-nvalue`, flags and arguments in any order, `--` ends the flags. commander reads
 * `--flag=false` and negative numbers differently, hence our own.
 */
export type FlagType = "bool" | "string" | "int64" | "uint64" | "duration" | "strings";

export interface FlagSpec {
  readonly name: string;
  readonly short?: string;
  readonly type: FlagType;
  /** As it would be written on the command line. */
  readonly default: string;
  readonly usage: string;
  /** The command cannot do without it. */
  readonly required?: boolean;
  /** What completion offers for it. */
  readonly values?: readonly string[];
}

/** A flag's value: durations in milliseconds, integers as bigint. */
type Value = boolean | string | bigint | number | string[];

const trueWords = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const falseWords = new Set(["0", "f", "F", "false", "FALSE", "False"]);

/** Values of a command's flags; getters throw for a name or type the command does not have. */
export class Flags {
  readonly #specs = new Map<string, FlagSpec>();
  readonly #values = new Map<string, Value>();
  readonly #changed = new Set<string>();

  constructor(specs: readonly FlagSpec[]) {
    for (const spec of specs) {
      this.#specs.set(spec.name, spec);
      this.#values.set(spec.name, convert(spec, spec.default));
    }
  }

  get specs(): FlagSpec[] {
    return [...this.#specs.values()];
  }

  /** Given on the command line (not by the environment). */
  changed(name: string): boolean {
    return this.#changed.has(name);
  }

  /** Sets from text. Throws CommandError with pflag's words when the text does not fit. */
  set(name: string, text: string, from: "flag" | "environment" = "flag"): void {
    const spec = this.#spec(name);
    const value = convert(spec, text);
    const before = this.#values.get(name);
    const appends = spec.type === "strings" && this.#changed.has(name);
    this.#values.set(name, appends ? [...(before as string[]), ...(value as string[])] : value);
    if (from === "flag") this.#changed.add(name);
  }

  /** Another list than the command line's. */
  replace(name: string, values: readonly string[]): void {
    if (this.#spec(name).type !== "strings") throw new Error(`flag ${name} is no strings`);
    this.#values.set(name, [...values]);
  }

  bool(name: string): boolean {
    return this.#get(name, "bool") as boolean;
  }

  string(name: string): string {
    return this.#get(name, "string") as string;
  }

  strings(name: string): string[] {
    return this.#get(name, "strings") as string[];
  }

  int64(name: string): bigint {
    return this.#get(name, "int64") as bigint;
  }

  uint64(name: string): bigint {
    return this.#get(name, "uint64") as bigint;
  }

  /** Milliseconds. */
  duration(name: string): number {
    return this.#get(name, "duration") as number;
  }

  /** The value as Go prints it. */
  text(name: string): string {
    const value = this.#values.get(name) as Value;
    if (Array.isArray(value)) return `[${value.join(" ")}]`;
    if (this.#spec(name).type === "duration") return formatDuration((value as number) * 1e6);
    return String(value);
  }

  #get(name: string, type: FlagType): Value {
    if (this.#spec(name).type !== type) throw new Error(`flag ${name} is no ${type}`);
    return this.#values.get(name) as Value;
  }

  #spec(name: string): FlagSpec {
    const spec = this.#specs.get(name);
    if (spec === undefined) throw new Error(`no flag ${name}`);
    return spec;
  }
}

/** Asked for help: not an error. */
export class HelpRequested extends Error {
  override readonly name = "HelpRequested";
}

export interface ParsedLine {
  readonly args: string[];
  /** How many of the arguments stood before `--`; undefined when there was none. */
  readonly dashAt: number | undefined;
}

/** Takes the flags out of `argv`. Throws CommandError, HelpRequested. */
export function parseFlags(argv: readonly string[], flags: Flags): ParsedLine {
  const byShort = new Map(flags.specs.flatMap((s) => (s.short ? [[s.short, s] as const] : [])));
  const byName = new Map(flags.specs.map((s) => [s.name, s] as const));
  const args: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (word === "--") {
      return { args: [...args, ...argv.slice(i + 1)], dashAt: args.length };
    }
    if (word === "-" || !word.startsWith("-")) {
      args.push(word);
      continue;
    }
    const { spec, text } = word.startsWith("--") ? long(word, byName) : short(word, byShort);
    if (text !== undefined) flags.set(spec.name, text);
    else if (spec.type === "bool") flags.set(spec.name, "true");
    else {
      const next = argv[++i];
      if (next === undefined) {
        throw failure(`flag needs an argument: ${label(word, spec)}`);
      }
      flags.set(spec.name, next);
    }
  }
  return { args, dashAt: undefined };
}

/** How pflag names a flag whose argument is missing. */
const label = (word: string, spec: FlagSpec): string =>
  word.startsWith("--") ? `--${spec.name}` : `'${spec.short}' in ${word}`;

interface Found {
  readonly spec: FlagSpec;
  readonly text: string | undefined;
}

function long(word: string, byName: ReadonlyMap<string, FlagSpec>): Found {
  const equals = word.indexOf("=");
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const spec = byName.get(name);
  if (spec === undefined) {
    if (name === "help") throw new HelpRequested();
    throw failure(`unknown flag: --${name}`);
  }
  return { spec, text: equals < 0 ? undefined : word.slice(equals + 1) };
}

function short(word: string, byShort: ReadonlyMap<string, FlagSpec>): Found {
  const letter = word.charAt(1);
  const spec = byShort.get(letter);
  if (spec === undefined) {
    if (letter === "h") throw new HelpRequested();
    throw failure(`unknown shorthand flag: '${letter}' in ${word}`);
  }
  const rest = word.slice(2);
  if (rest === "") return { spec, text: undefined };
  return { spec, text: rest.startsWith("=") ? rest.slice(1) : rest };
}

const failure = (message: string): CommandError => new CommandError(exitCode.error, message);

function convert(spec: FlagSpec, text: string): Value {
  const refuse = (why: string): never => {
    const short = spec.short === undefined ? "" : `-${spec.short}, `;
    throw failure(
      `invalid argument ${JSON.stringify(text)} for "${short}--${spec.name}" flag: ${why}`,
    );
  };
  const syntax = (parser: string): never => {
    // Unsigned numbers may have no sign at all.
    const isNumber = parser === "ParseUint" ? /^\d/.test(text) : parser === "ParseInt";
    const isTooLarge = isNumber && integer.test(text);
    const why = isTooLarge ? "value out of range" : "invalid syntax";
    return refuse(`strconv.${parser}: parsing ${JSON.stringify(text)}: ${why}`);
  };
  switch (spec.type) {
    case "string":
      return text;
    case "strings":
      return text === "" ? [] : text.split(",");
    case "bool":
      if (trueWords.has(text)) return true;
      return falseWords.has(text) ? false : syntax("ParseBool");
    case "int64":
      return parseInteger(text, -(2n ** 63n), 2n ** 63n - 1n) ?? syntax("ParseInt");
    case "uint64":
      if (/^[+-]/.test(text)) return syntax("ParseUint");
      return parseInteger(text, 0n, 2n ** 64n - 1n) ?? syntax("ParseUint");
    case "duration":
      return parseDuration(text) ?? refuse(`time: invalid duration ${JSON.stringify(text)}`);
  }
}

const integer = /^[+-]?(\d+|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)$/;

/** Decimal, `0x`, `0o` and `0b` numbers, as Go's base 0 takes them. */
export function parseInteger(text: string, min: bigint, max: bigint): bigint | undefined {
  if (!integer.test(text)) return undefined;
  const negative = text.startsWith("-");
  const digits = BigInt(text.replace(/^[+-]/, ""));
  const value = negative ? -digits : digits;
  return value >= min && value <= max ? value : undefined;
}

/**
 * An id in hexadecimal, as ids are printed; the message of a refusal is Go's. `signed` for lease
 * ids, unsigned for member ids.
 */
export function parseHexId(text: string, signed: boolean): bigint {
  const parser = signed ? "ParseInt" : "ParseUint";
  const pattern = signed ? /^[+-]?[0-9a-fA-F]+$/ : /^[0-9a-fA-F]+$/;
  if (!pattern.test(text)) {
    throw new SyntaxError(`strconv.${parser}: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  const negative = text.startsWith("-");
  const value = BigInt(`0x${text.replace(/^[+-]/, "")}`) * (negative ? -1n : 1n);
  const limit = signed ? 2n ** 63n - (negative ? 0n : 1n) : 2n ** 64n - 1n;
  if ((negative ? -value : value) > limit) {
    throw new SyntaxError(`strconv.${parser}: parsing ${JSON.stringify(text)}: value out of range`);
  }
  return value;
}

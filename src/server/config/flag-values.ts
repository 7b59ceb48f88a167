import { type MemberUrl, parseUrls } from "../../core/membership/index.ts";
import { type FlagSpec, featureGates, flagTable } from "./flag-table.ts";
import { fail, ok, type Parsed, parseBool, parseDuration, parseInteger } from "./values.ts";

type Value =
  | string
  | number
  | boolean
  | readonly string[]
  | readonly MemberUrl[]
  | ReadonlyMap<string, boolean>;

/** The state of every flag: its default, or what was set last. Typed by the table. */
export class FlagValues {
  readonly #values = new Map<string, Value>();
  readonly #set = new Set<string>();

  constructor() {
    for (const spec of flagTable.values()) {
      const initial = parseValue(spec, spec.initial, undefined);
      if (!initial.ok) throw new Error(`default of --${spec.name}: ${initial.error}`);
      this.#values.set(spec.name, initial.value);
    }
  }

  /** Sets a flag from text; what is wrong with it, or undefined. */
  set(spec: FlagSpec, text: string): string | undefined {
    const parsed = parseValue(spec, text, this.#values.get(spec.name));
    if (!parsed.ok) return parsed.error;
    this.#values.set(spec.name, parsed.value);
    this.#set.add(spec.name);
    return undefined;
  }

  /** Whether somebody gave the flag, be it its default. */
  isSet(name: string): boolean {
    return this.#set.has(name);
  }

  /** Whether the flag has another value than by default. */
  isChanged(spec: FlagSpec): boolean {
    if (!this.#set.has(spec.name)) return false;
    const initial = parseValue(spec, spec.initial, undefined);
    return initial.ok && printable(initial.value) !== printable(this.#values.get(spec.name));
  }

  text(name: string): string {
    return this.#values.get(name) as string;
  }

  number(name: string): number {
    return this.#values.get(name) as number;
  }

  bool(name: string): boolean {
    return this.#values.get(name) as boolean;
  }

  list(name: string): readonly string[] {
    return this.#values.get(name) as readonly string[];
  }

  urls(name: string): readonly MemberUrl[] {
    return this.#values.get(name) as readonly MemberUrl[];
  }

  gates(name: string): ReadonlyMap<string, boolean> {
    return this.#values.get(name) as ReadonlyMap<string, boolean>;
  }
}

function printable(value: unknown): string {
  return JSON.stringify(value instanceof Map ? [...value] : value);
}

/** Parses a flag's text as its type in etcd does; the error is what Go puts behind the colon. */
function parseValue(spec: FlagSpec, text: string, current: Value | undefined): Parsed<Value> {
  const words = spec.words ?? [];
  switch (spec.type) {
    case "string":
      return ok(text);
    case "forgotten":
      return ok("");
    case "bool": {
      const value = parseBool(text);
      return value === undefined ? fail("parse error") : ok(value);
    }
    case "uint":
      return integer(text, false);
    case "int":
      return integer(text, true);
    case "uint32": {
      const value = parseInteger(text, false, 32);
      if (typeof value === "number") return ok(value);
      const why = value === "syntax" ? "invalid syntax" : "value out of range";
      return fail(`strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`);
    }
    case "duration": {
      const value = parseDuration(text);
      return value.ok ? value : fail("parse error");
    }
    case "urls":
      return text === "" ? ok(current ?? []) : uniqueUrls(text);
    case "origins":
      return text === "" || words.includes(text) ? ok(current ?? []) : uniqueUrls(text);
    case "set":
      return ok(text === "" && current === undefined ? [] : [...new Set(text.split(","))].sort());
    case "list":
      return ok(text === "" && current === undefined ? [] : text.split(","));
    case "choice":
      return words.includes(text) ? ok(text) : fail("invalid value");
    case "choices": {
      if (text === "" && current === undefined) return ok([]);
      const bad = text.split(",").find((w) => !words.includes(w));
      return bad === undefined ? ok(text.split(",")) : fail(`invalid value ${JSON.stringify(bad)}`);
    }
    case "gates":
      return parseGates(text, (current ?? featureGates) as ReadonlyMap<string, boolean>);
  }
}

function integer(text: string, signed: boolean): Parsed<number> {
  const value = parseInteger(text, signed, 64);
  if (typeof value === "number") return ok(value);
  return fail(value === "syntax" ? "parse error" : "value out of range");
}

function uniqueUrls(text: string): Parsed<MemberUrl[]> {
  const urls = parseUrls(text.split(","));
  if (!urls.ok) return urls;
  const byText = new Map(urls.value.map((u) => [u.text, u]));
  return ok([...byText.values()]);
}

function parseGates(
  text: string,
  current: ReadonlyMap<string, boolean>,
): Parsed<ReadonlyMap<string, boolean>> {
  const asked = new Map<string, boolean>();
  for (const pair of text.split(",")) {
    if (pair === "") continue;
    const eq = pair.indexOf("=");
    const name = (eq < 0 ? pair : pair.slice(0, eq)).trim();
    if (eq < 0) return fail(`missing bool value for ${name}`);
    const word = pair.slice(eq + 1).trim();
    const value = parseBool(word);
    if (value === undefined) {
      const why = `strconv.ParseBool: parsing ${JSON.stringify(word)}: invalid syntax`;
      return fail(`invalid value of ${name}=${word}, err: ${why}`);
    }
    asked.set(name, value);
  }
  const gates = new Map(current);
  for (const [name, value] of asked) {
    if (!featureGates.has(name)) return fail(`unrecognized feature gate: ${name}`);
    gates.set(name, value);
    if (name !== "AllAlpha" && name !== "AllBeta") continue;
    for (const [other, byDefault] of featureGates) {
      const isOfKind = byDefault === (name === "AllBeta") && !other.startsWith("All");
      if (isOfKind && !asked.has(other)) gates.set(other, value);
    }
  }
  return ok(gates);
}

import { goQuote } from "../../core/membership/index.ts";
import type { Fields, LogLevel } from "../../ports/index.ts";
import { flagTable } from "./flag-table.ts";
import type { FlagValues } from "./flag-values.ts";
import type { ConfigLogLine } from "./types.ts";

/** `rest`: what stood behind the flags. `help`: -h was asked for. `bad`: the message. */
export type CommandLine =
  | { readonly kind: "parsed"; readonly rest: readonly string[] }
  | { readonly kind: "help" }
  | { readonly kind: "bad"; readonly message: string };

/** Reads flags as Go's flag package does: -f v, --f=v, -bool; the first non-flag ends them. */
export function readCommandLine(argv: readonly string[], values: FlagValues): CommandLine {
  const bad = (message: string): CommandLine => ({ kind: "bad", message });
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] as string;
    if (arg.length < 2 || !arg.startsWith("-")) return { kind: "parsed", rest: argv.slice(i) };
    if (arg === "--") return { kind: "parsed", rest: argv.slice(i + 1) };
    const body = arg.slice(arg.startsWith("--") ? 2 : 1);
    if (/^[-=]/.test(body)) return bad(`bad flag syntax: ${arg}`);
    const eq = body.indexOf("=");
    const name = eq < 0 ? body : body.slice(0, eq);
    const value = eq < 0 ? undefined : body.slice(eq + 1);
    const spec = flagTable.get(name);
    if (spec === undefined) {
      if (name === "help" || name === "h") return { kind: "help" };
      return bad(`flag provided but not defined: -${name}`);
    }
    if (spec.type === "bool" || spec.type === "forgotten") {
      const problem = values.set(spec, value ?? "true");
      if (problem === undefined) continue;
      return bad(`invalid boolean value ${goQuote(value ?? "")} for -${name}: ${problem}`);
    }
    const text = value ?? argv[++i];
    if (text === undefined) return bad(`flag needs an argument: -${name}`);
    const problem = values.set(spec, text);
    if (problem !== undefined) {
      return bad(`invalid value ${goQuote(text)} for flag -${name}: ${problem}`);
    }
  }
  return { kind: "parsed", rest: [] };
}

export type Environment = Readonly<Record<string, string | undefined>>;

export const variableOf = (flag: string): string =>
  `ETCD_${flag.toUpperCase().replaceAll("-", "_")}`;

/** What the environment gave: log lines, and what ends the start. */
export interface EnvironmentResult {
  readonly log: ConfigLogLine[];
  readonly error?: string;
  /** A variable contradicts a flag: etcd dies on the spot, whatever else is wrong. */
  readonly isFatal: boolean;
}

/** Sets flags from ETCD_* variables (pkg/flags SetFlagsFromEnv). */
export function readEnvironment(env: Environment, values: FlagValues): EnvironmentResult {
  const log: ConfigLogLine[] = [];
  const say = (level: LogLevel, msg: string, fields: Fields): void => {
    log.push({ level, msg, fields });
  };
  const version = env["ETCD_VERSION"];
  if (version !== undefined && version !== "") {
    const fields = { key: "ETCD_VERSION", value: version };
    say("warn", "cannot set special environment variable", fields);
  }
  const byFlag = new Set<string>();
  for (const name of flagTable.keys()) if (values.isSet(name)) byFlag.add(variableOf(name));
  const used = new Set<string>(["ETCD_VERSION"]);
  let error: string | undefined;
  for (const name of [...flagTable.keys()].sort()) {
    const key = variableOf(name);
    const text = env[key];
    if (byFlag.has(key) || used.has(key) || text === undefined || text === "") continue;
    used.add(key);
    const spec = flagTable.get(name);
    const problem = spec === undefined ? undefined : values.set(spec, text);
    if (problem !== undefined) error = `invalid value ${goQuote(text)} for ${key}: ${problem}`;
    else {
      const fields = { "variable-name": key, "variable-value": text };
      say("info", "recognized and used environment variable", fields);
    }
  }
  for (const [key, text] of Object.entries(env)) {
    if (text === undefined || used.has(key)) continue;
    if (byFlag.has(key)) {
      const msg =
        "conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))";
      say("fatal", msg, { "environment-variable": key });
      return { log, isFatal: true };
    }
    if (key.startsWith("ETCD_")) {
      say("warn", "unrecognized environment variable", {
        "environment-variable": `${key}=${text}`,
      });
    }
  }
  return error === undefined ? { log, isFatal: false } : { log, error, isFatal: false };
}

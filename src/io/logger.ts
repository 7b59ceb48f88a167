import type { Fields, Logger, LogLevel } from "../ports/index.ts";
import { openLogOutputs } from "./log-output.ts";

export type LogFormat = "json" | "console";

export interface LoggerOptions {
  /** Lines below this level are dropped; default "info". */
  readonly level?: LogLevel;
  /** etcd's --log-format; default "json". */
  readonly format?: LogFormat;
  /** Takes whole lines with their newline; default: standard error, in order and unbuffered. */
  readonly write?: (line: string) => void;
  /** Wall clock in milliseconds since the epoch; default Date.now. */
  readonly wallMs?: () => number;
}

const levelRank: Readonly<Record<LogLevel, number>> = {
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
  fatal: 4,
};

/**
 * A log of one line per event. JSON lines have the keys of etcd's zap configuration
 * (client/pkg/logutil/zap.go): level, ts, then caller if a field of that name is given, msg, and
 * the fields; bigints print as decimal strings, errors as their message, bytes are refused (their
 * length is printed). `level` can be changed while running.
 */
export function createLogger(options: LoggerOptions = {}): Logger & { level: LogLevel } {
  const write = options.write ?? openLogOutputs(["default"], undefined);
  const wallMs = options.wallMs ?? Date.now;
  const render = options.format === "console" ? consoleLine : jsonLine;
  const state = { level: options.level ?? "info" };

  const make = (bound: Fields): Logger & { level: LogLevel } => {
    const log = (level: LogLevel, msg: string, fields?: Fields): void => {
      if (levelRank[level] < levelRank[state.level]) return;
      write(render(level, timestamp(wallMs()), msg, fields ? { ...bound, ...fields } : bound));
    };
    return {
      debug: (msg, fields) => log("debug", msg, fields),
      info: (msg, fields) => log("info", msg, fields),
      warn: (msg, fields) => log("warn", msg, fields),
      error: (msg, fields) => log("error", msg, fields),
      child: (fields) => make({ ...bound, ...fields }),
      get level() {
        return state.level;
      },
      set level(level) {
        state.level = level;
      },
    };
  };
  return make({});
}

/** As etcd writes it: 2026-11-22T11:15:00.123456Z; JavaScript's clock has no microseconds. */
function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000Z`;
}

function jsonLine(level: LogLevel, ts: string, msg: string, fields: Fields): string {
  const { caller, ...rest } = fields;
  const head: Record<string, unknown> = { level, ts };
  if (caller !== undefined) head["caller"] = caller;
  return `${stringify({ ...head, msg, ...rest })}\n`;
}

function consoleLine(level: LogLevel, ts: string, msg: string, fields: Fields): string {
  const { caller, ...rest } = fields;
  const columns = [ts, level.toUpperCase()];
  if (caller !== undefined) columns.push(String(caller));
  columns.push(msg);
  if (Object.keys(rest).length > 0) columns.push(stringify(rest));
  return `${columns.join("\t")}\n`;
}

/** A field that cannot be printed must not cost the line, let alone the process. */
function stringify(record: Record<string, unknown>): string {
  try {
    return JSON.stringify(record, printable);
  } catch (error) {
    return JSON.stringify({
      level: record["level"],
      ts: record["ts"],
      msg: record["msg"],
      unprintable: String(error),
    });
  }
}

function printable(this: unknown, key: string, value: unknown): unknown {
  // Buffers turn into plain objects before a replacer sees them: look at the holder's own value.
  const own = (this as Record<string, unknown>)[key];
  if (own instanceof Uint8Array) return `(${own.byteLength} bytes)`;
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Error) return value.message;
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  return value;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "fatal";
export type Fields = Readonly<Record<string, unknown>>;

/** Structured log: a constant message and fields. Never values, tokens or passwords. */
export interface Logger {
  debug(msg: string, fields?: Fields): void;
  info(msg: string, fields?: Fields): void;
  warn(msg: string, fields?: Fields): void;
  error(msg: string, fields?: Fields): void;
  /** A logger that adds these fields to every line. */
  child(fields: Fields): Logger;
}

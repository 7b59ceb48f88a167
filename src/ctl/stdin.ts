import { badArgs, CommandError, exitCode } from "./exit.ts";
import type { Output } from "./output.ts";

const { readSync } = process.getBuiltinModule("node:fs");

/** What was read of stdin and not yet asked for. */
let pending: Buffer = Buffer.alloc(0);

/** The next bytes of stdin, waited for; nothing at its end. */
function readChunk(): Buffer {
  const chunk = Buffer.allocUnsafe(64 * 1024);
  for (;;) {
    try {
      return chunk.subarray(0, readSync(0, chunk));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // A terminal whose other side has gone; stdin that is closed.
      if (code === "EOF" || code === "EIO" || code === "EBADF") return Buffer.alloc(0);
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** The next line of stdin without its end; undefined when it ends before the line does. */
export function readLine(): string | undefined {
  const line = readThrough("\n");
  return line.endsWith("\n") ? line.slice(0, -1) : undefined;
}

/** The lines of stdin as they come, without blocking; what is behind the last line end is not one. */
export async function* lines(): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of process.stdin.setEncoding("utf8")) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() as string;
    yield* parts;
  }
  return undefined;
}

/** All that is left of stdin. */
export function readAll(): Buffer {
  const parts = [pending];
  pending = Buffer.alloc(0);
  for (let part = readChunk(); part.length > 0; part = readChunk()) parts.push(part);
  return Buffer.concat(parts);
}

/** Up to and with the first of `ends`, or up to the end of stdin. */
function readThrough(ends: string): string {
  for (;;) {
    const at = pending.findIndex((byte) => ends.includes(String.fromCharCode(byte)));
    if (at >= 0) {
      const line = pending.toString("utf8", 0, at + 1);
      pending = pending.subarray(at + 1);
      return line;
    }
    const more = readChunk();
    if (more.length === 0) {
      const rest = pending.toString();
      pending = Buffer.alloc(0);
      return rest;
    }
    pending = Buffer.concat([pending, more]);
  }
}

/**
 * Asks for a secret: the prompt on stdout, and one line of stdin, which a terminal does not show.
 * Throws CommandError when ^C is typed.
 */
export function askSecret(prompt: string, out: Output): string {
  const { isatty, ReadStream } = process.getBuiltinModule("node:tty");
  const terminal = isatty(0) ? new ReadStream(0) : undefined;
  // Before the prompt: who answers it at once is not shown either.
  terminal?.setRawMode(true);
  try {
    out.text(prompt);
    const line = terminal === undefined ? readThrough("\n") : readTyped();
    return line.trim();
  } finally {
    terminal?.setRawMode(false);
    terminal?.destroy();
    out.text("\n");
  }
}

/** Enter, ^C, ^D, ^U and both kinds of backspace. */
const keys = "\r\n\x03\x04\x15\x7f\b";

/** A line of a terminal in raw mode, with what people type to correct themselves. */
function readTyped(): string {
  let line = "";
  for (;;) {
    const typed = readThrough(keys);
    const key = keys.includes(typed.slice(-1)) ? typed.slice(-1) : "";
    line += typed.slice(0, typed.length - key.length);
    if (key === "\x7f" || key === "\b") line = line.slice(0, -1);
    else if (key === "\x15") line = "";
    else if (key === "\x03") throw new CommandError(exitCode.error, "interrupted");
    else return line;
  }
}

/** A new password, typed twice; `name` of whom. Throws CommandError when they differ. */
export function askNewPassword(name: string, out: Output): string {
  const password = askSecret(`Password of ${name}: `, out);
  if (password === "") throw badArgs("empty password");
  const again = askSecret(`Type password of ${name} again for confirmation: `, out);
  if (again !== password) throw badArgs("given passwords are different");
  return password;
}

/** The first word of stdin's first line, as Go's Scanf("%s") takes it. */
export const readWord = (): string => readThrough("\n").trim().split(/\s/, 1)[0] ?? "";

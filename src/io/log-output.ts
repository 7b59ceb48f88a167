import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

/** --log-rotation-config-json, as lumberjack has it; 0 keeps all. */
export interface LogRotation {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly maxBackups: number;
  /** Names of old files carry local time instead of UTC. */
  readonly localTime: boolean;
  readonly compress: boolean;
}

/**
 * Takes whole lines for all of --log-outputs: "default", "stderr", "stdout" or files to append to.
 * Writes are synchronous, so that the last line before a crash is there; a full disk drops lines.
 * Throws the system's error for a file that cannot be opened.
 */
export function openLogOutputs(
  outputs: readonly string[],
  rotation: LogRotation | undefined,
): (line: string) => void {
  const writers = outputs.map((output) => {
    if (output === "default" || output === "stderr") return (b: Buffer) => writeAll(2, b);
    if (output === "stdout") return (b: Buffer) => writeAll(1, b);
    const file = new LogFile(output, rotation);
    return (b: Buffer) => file.write(b);
  });
  return (line) => {
    const bytes = Buffer.from(line);
    for (const write of writers) write(bytes);
  };
}

/** What stands between the stem and the ending of an old file's name. */
const timePattern = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}/;

class LogFile {
  readonly #path: string;
  readonly #rotation: LogRotation | undefined;
  #fd: number;
  #bytes: number;

  constructor(path: string, rotation: LogRotation | undefined) {
    this.#path = path;
    this.#rotation = rotation;
    this.#fd = openSync(path, "a", 0o600);
    this.#bytes = fstatSync(this.#fd).size;
  }

  write(bytes: Buffer): void {
    const most = this.#rotation?.maxBytes ?? 0;
    if (most > 0 && this.#bytes > 0 && this.#bytes + bytes.byteLength > most) this.#rotate();
    writeAll(this.#fd, bytes);
    this.#bytes += bytes.byteLength;
  }

  /** A rotation that fails leaves the file to grow: the log goes on. */
  #rotate(): void {
    try {
      const old = this.#oldName(Date.now());
      renameSync(this.#path, old);
      const fd = openSync(this.#path, "a", 0o600);
      closeSync(this.#fd);
      this.#fd = fd;
      this.#bytes = 0;
      this.#prune();
      if (this.#rotation?.compress === true) void compress(old);
    } catch {
      this.#bytes = 0;
    }
  }

  /** lumberjack's: `name-2026-11-22T18-00-00.000.ext`. */
  #oldName(nowMs: number): string {
    const { dir, stem, ext } = this.#names();
    const offsetMs = this.#rotation?.localTime ? new Date(nowMs).getTimezoneOffset() * 60_000 : 0;
    const time = new Date(nowMs - offsetMs).toISOString().slice(0, -1).replaceAll(":", "-");
    return join(dir, `${stem}-${time}${ext}`);
  }

  #names(): { dir: string; stem: string; ext: string } {
    const ext = extname(this.#path);
    return { dir: dirname(this.#path), stem: basename(this.#path, ext), ext };
  }

  #prune(): void {
    const { maxBackups = 0, maxAgeMs = 0 } = this.#rotation ?? {};
    if (maxBackups === 0 && maxAgeMs === 0) return;
    const { dir, stem } = this.#names();
    const old = readdirSync(dir)
      .filter(
        (name) => name.startsWith(`${stem}-`) && timePattern.test(name.slice(stem.length + 1)),
      )
      .sort()
      .reverse();
    const oldest = maxAgeMs === 0 ? "" : basename(this.#oldName(Date.now() - maxAgeMs));
    old.forEach((name, i) => {
      if ((maxBackups > 0 && i >= maxBackups) || name < oldest) rmSync(join(dir, name));
    });
  }
}

/** Beside the log and in its own time; what fails leaves the plain file. */
async function compress(path: string): Promise<void> {
  try {
    await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz`));
    rmSync(path);
  } catch {
    rmSync(`${path}.gz`, { force: true });
  }
}

/** A broken or full pipe drops lines. */
function writeAll(fd: number, bytes: Buffer): void {
  let done = 0;
  let retries = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN" || ++retries > 100) return;
    }
  }
}

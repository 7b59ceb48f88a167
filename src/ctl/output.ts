// An import would load all that the module can do, promises and readers of lines among it.
const { writeSync } = process.getBuiltinModule("node:fs");

/** Where a program writes: bytes as they are, text as UTF-8. */
export interface Output {
  text(text: string): void;
  bytes(bytes: Uint8Array): void;
  error(text: string): void;
  /** Whether a person watches stderr, so that a line there may be written over. */
  readonly errorIsTerminal: boolean;
}

/** The process's own stdout and stderr. */
export const processOutput: Output = {
  text: (text) => writeAll(1, Buffer.from(text)),
  bytes: (bytes) => writeAll(1, bytes),
  error: (text) => writeAll(2, Buffer.from(text)),
  get errorIsTerminal() {
    return process.getBuiltinModule("node:tty").isatty(2);
  },
};

/** Writes everything before it returns, also to a pipe whose reader is slow. */
function writeAll(fd: number, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // A reader that has gone (`| head`) ends the output, a slow one is waited for.
      if (code === "EPIPE") return;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

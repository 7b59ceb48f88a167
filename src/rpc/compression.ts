/**
 * gzip messages. A kilobyte can inflate to a megabyte and both ways cost time on the loop, so all
 * clients of a server share one allowance of bytes a second. Beyond it a compressed request fails,
 * and answers go out as they are, which the protocol permits for any message.
 */
import type { Clock } from "../ports/index.ts";
import { Budget } from "./budget.ts";
import { gunzip, type ReadFailure } from "./gunzip.ts";
import { Status } from "./status.ts";
import type { MessageBytes } from "./types.ts";

/** Plain bytes; on the loop 0.2 s (inflated) to 0.4 s (deflated) a second at the most. */
const burstBytes = 32 * 1024 * 1024;
const bytesPerSecond = 32 * 1024 * 1024;
/** A larger answer would hold the loop for longer than a turn should take. */
const maxDeflateBytes = 256 * 1024;

/** A message in its compressed form: the prefix says so. */
export class Gzipped {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export class Gzip {
  readonly #clock: Clock;
  readonly #allowance = new Budget(burstBytes, bytesPerSecond);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The message in `body`, at most `maxBytes` of it; or why there is none (grpc-go's words). */
  inflate(body: Uint8Array, maxBytes: number): Uint8Array | ReadFailure {
    if (!this.#allowance.take(this.#clock.nowMs(), body.length)) {
      const message = "too many compressed bytes at once; try again or send them uncompressed";
      return { code: Status.resourceExhausted, message };
    }
    const read = gunzip(body, maxBytes);
    this.#allowance.charge(inflatedBytes(read, body, maxBytes));
    return read;
  }

  /** The message compressed, or as it is where that does not pay (as grpc-go: never when empty). */
  deflate(message: MessageBytes, bytes: number): MessageBytes | Gzipped {
    if (bytes === 0 || bytes > maxDeflateBytes) return message;
    if (!this.#allowance.take(this.#clock.nowMs(), bytes)) return message;
    const plain = message instanceof Uint8Array ? message : Buffer.concat(message, bytes);
    const { constants, gzipSync } = process.getBuiltinModule("node:zlib");
    return new Gzipped(gzipSync(plain, { level: constants.Z_BEST_SPEED }));
  }
}

/** What the attempt cost: all that may come out where it was too much, what came in where it was none. */
function inflatedBytes(read: Uint8Array | ReadFailure, body: Uint8Array, maxBytes: number): number {
  if (read instanceof Uint8Array) return read.length;
  return read.code === Status.resourceExhausted ? maxBytes : body.length;
}

/** Reads one gzip message, of a request or of an answer. */
import { Status, type StatusCode } from "./status.ts";

export interface ReadFailure {
  readonly code: StatusCode;
  readonly message: string;
}

/**
 * The message in `body`, at most `maxBytes` of it; or why there is none (grpc-go's words). zlib is
 * loaded when the first one comes: a client gets such answers only when it asks for them.
 */
export function gunzip(body: Uint8Array, maxBytes: number): Uint8Array | ReadFailure {
  const zlib = process.getBuiltinModule("node:zlib");
  try {
    return zlib.gunzipSync(body, { maxOutputLength: Math.max(1, maxBytes) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      const message = `grpc: received message after decompression larger than max ${maxBytes}`;
      return { code: Status.resourceExhausted, message };
    }
    return { code: Status.internal, message: "grpc: failed to decompress the received message" };
  }
}

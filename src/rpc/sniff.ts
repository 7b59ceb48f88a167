/** Tells HTTP/2 from HTTP/1.x on a new connection by its first bytes. */
import { METHODS } from "node:http";
import type * as net from "node:net";
import type { Clock } from "../ports/index.ts";
import { clientPreface } from "./wire.ts";

const http1Methods: ReadonlySet<string> = new Set(METHODS);

export interface SniffOptions {
  readonly clock: Clock;
  /** How long the client may take until it is clear what it speaks. */
  readonly timeoutMs: number;
  /** The preface has been read; `rest` is what came behind it, perhaps nothing. */
  onHttp2(socket: net.Socket, rest: Buffer): void;
  /** Nothing has been consumed: all bytes are back in the socket. Attach listeners at once. */
  onHttp1(socket: net.Socket): void;
  /** Neither, or too slow; the socket is destroyed. */
  onGone(): void;
}

/** Watches a socket until its protocol is clear, then lets go of it. */
export function sniff(socket: net.Socket, options: SniffOptions): void {
  let seen: Buffer | undefined;

  const release = (): void => {
    cancelTimeout();
    socket.off("data", onData);
    socket.off("end", give);
    socket.off("error", give);
    socket.off("close", give);
  };
  const give = (): void => {
    release();
    // An error may still follow the end; nobody else listens yet.
    socket.on("error", () => {});
    socket.destroy();
    options.onGone();
  };
  const onData = (chunk: Buffer): void => {
    seen = seen === undefined ? chunk : Buffer.concat([seen, chunk]);
    switch (protocolOf(seen)) {
      case "unclear":
        return;
      case "http2":
        release();
        options.onHttp2(socket, seen.subarray(clientPreface.length));
        return;
      case "http1":
        release();
        // Paused, so that the bytes put back wait until the new owner listens.
        socket.pause();
        socket.unshift(seen);
        options.onHttp1(socket);
        socket.resume();
        return;
      case "other":
        give();
    }
  };

  const cancelTimeout = options.clock.after(options.timeoutMs, give);
  socket.on("data", onData);
  socket.on("end", give);
  socket.on("error", give);
  socket.on("close", give);
}

/** Judges by at most as many bytes as the HTTP/2 preface has: the methods of HTTP are shorter. */
function protocolOf(seen: Buffer): "http2" | "http1" | "other" | "unclear" {
  const most = clientPreface.length;
  const compared = Math.min(seen.length, most);
  if (clientPreface.compare(seen, 0, compared, 0, compared) === 0) {
    return compared === most ? "http2" : "unclear";
  }
  const [method, rest] = seen.toString("latin1", 0, compared).split(" ", 2);
  if (rest !== undefined) return http1Methods.has(method!) ? "http1" : "other";
  return compared < most && /^[A-Z-]*$/.test(method!) ? "unclear" : "other";
}

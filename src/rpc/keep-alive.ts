/** Finds peers that are gone without a word (grpc-go: keepalive.ServerParameters, ClientParameters). */

export interface KeepAliveOptions {
  /** A peer silent for so long is pinged, and dropped when it stays silent for `timeoutMs`. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly nowMs: () => number;
  /** When anything last came from the peer. */
  readonly heardMs: () => number;
  /** While it says so nobody cares: no ping, no drop. */
  readonly isIdle?: () => boolean;
  /** Timers that end with the connection. */
  readonly after: (ms: number, f: () => void) => void;
  readonly ping: () => void;
  readonly drop: () => void;
}

/** Watches one connection until its timers are cancelled. */
export function keepAlive(options: KeepAliveOptions): void {
  const { intervalMs, timeoutMs, nowMs, heardMs, after, ping, drop } = options;
  const wait = (ms: number): void => after(ms, check);
  const check = (): void => {
    const now = nowMs();
    const silentMs = now - heardMs();
    if (silentMs < intervalMs) {
      wait(intervalMs - silentMs);
      return;
    }
    if (options.isIdle?.() === true) {
      wait(intervalMs);
      return;
    }
    ping();
    after(timeoutMs, () => {
      if (heardMs() < now) drop();
      else wait(intervalMs);
    });
  };
  wait(intervalMs);
}

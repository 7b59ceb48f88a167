/**
 * Clients are served once the member is known to its cluster, as by etcd (embed/serve.go waits for
 * ReadyNotify): until then their calls wait, up to their own deadlines.
 */
import { AssertionError } from "../lib/assert.ts";
import type { Logger } from "../ports/index.ts";
import { EtcdError } from "../proto/index.ts";
import { type Method, Status, type StreamCall, type UnaryCall } from "../rpc/index.ts";

/** Calls that may be held at once, and the bytes of their requests; more answer TooManyRequests. */
const heldMax = 10_000;
const heldBytesMax = 64 << 20;

interface Held {
  readonly serve: () => void;
  readonly bytes: number;
}

/**
 * What a member answers before: where it stands, and what a backup takes. A member that came back
 * without a quorum is never published, and it may be the last one there is: etcd would not answer.
 */
const atOnce: ReadonlySet<string> = new Set(
  ["Status", "HashKV", "Snapshot"].map((name) => `/etcdserverpb.Maintenance/${name}`),
);

/**
 * The same methods, held back until `whenReady` calls back. Who gives up meanwhile is forgotten. What a
 * held one throws then ends its call, as it would have at once: `whenReady` calls from the apply loop.
 */
export function servedWhenReady(
  methods: ReadonlyMap<string, Method>,
  whenReady: (f: () => void) => void,
  logger: Logger,
): ReadonlyMap<string, Method> {
  let isReady = false;
  const waiting = new Map<UnaryCall | StreamCall, Held>();
  let waitingBytes = 0;
  whenReady(() => {
    isReady = true;
    for (const [call, { serve }] of waiting) {
      call.onCancel = undefined;
      try {
        serve();
      } catch (error) {
        if (error instanceof AssertionError) throw error;
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        logger.error("a method handler failed", { method: call.path, error: text });
        call.fail(Status.unknown, error instanceof Error ? error.message : String(error));
      }
    }
    waiting.clear();
  });
  const hold = (call: UnaryCall | StreamCall, bytes: number, serve: () => void): void => {
    if (waiting.size >= heldMax || waitingBytes + bytes > heldBytesMax) {
      call.fail(Status.resourceExhausted, new EtcdError("RequestTooManyRequests").message);
      return;
    }
    waiting.set(call, { serve, bytes });
    waitingBytes += bytes;
    call.onCancel = () => {
      waiting.delete(call);
      waitingBytes -= bytes;
    };
  };
  const held = (method: Method): Method =>
    method.kind === "unary"
      ? {
          kind: "unary",
          handle: (request, call) => {
            if (isReady) {
              method.handle(request, call);
              return;
            }
            // A copy: the view would keep a whole read of the socket.
            const own = new Uint8Array(request);
            hold(call, own.byteLength, () => method.handle(own, call));
          },
        }
      : {
          ...method,
          open: (call) => {
            if (isReady) method.open(call);
            else hold(call, 0, () => method.open(call));
          },
        };
  return new Map([...methods].map(([path, m]) => [path, atOnce.has(path) ? m : held(m)]));
}

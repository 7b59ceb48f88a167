import type { Clock } from "../../ports/index.ts";
import { type MessageBytes, type Method, Status, type UnaryCall } from "../../rpc/index.ts";
import { joined, LocalCall, type LocalFailure, type Origin } from "./call.ts";
import { LocalStream, type StreamSink } from "./stream.ts";

export type { LocalFailure, Origin } from "./call.ts";

/** The answer or why there is none; the one or the other. */
export type LocalReply = (failure: LocalFailure | undefined, message?: Uint8Array) => void;

/** Calls the methods that the server serves, as a client on this machine would. */
export class LocalClient {
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #clock: Clock;

  constructor(methods: ReadonlyMap<string, Method>, clock: Clock) {
    this.#methods = methods;
    this.#clock = clock;
  }

  /** Returns how to give the call up. `reply` comes in a later turn. */
  unary(path: string, request: Uint8Array, origin: Origin, reply: LocalReply): () => void {
    const call = new LocalUnary(path, origin, this.#clock, reply);
    const method = this.#methods.get(path);
    if (method?.kind === "unary") call.guard(() => method.handle(request, call));
    else call.fail(Status.unimplemented, `unknown method ${path}`);
    return () => call.cancel();
  }

  /** Opens a stream; the answers go to `sink`, in later turns. */
  stream(path: string, origin: Origin, sink: StreamSink): LocalStream {
    const call = new LocalStream(path, origin, this.#clock, sink);
    const method = this.#methods.get(path);
    if (method?.kind === "stream") call.guard(() => method.open(call));
    else call.fail(Status.unimplemented, `unknown method ${path}`);
    return call;
  }
}

class LocalUnary extends LocalCall implements UnaryCall {
  readonly #reply: LocalReply;

  constructor(path: string, origin: Origin, clock: Clock, reply: LocalReply) {
    super(path, origin, clock);
    this.#reply = reply;
  }

  respond(message: MessageBytes): void {
    if (this.finish()) this.clock.soon(() => this.#reply(undefined, joined(message)));
  }

  protected failed(failure: LocalFailure): void {
    this.clock.soon(() => this.#reply(failure));
  }
}

/** Where the messages of an answer go: to a promise, or to whoever takes them one by one. */
import { Status } from "../status.ts";
import type { CallSink, ClientCall } from "./call.ts";
import type { CallOptions, Channel } from "./channel.ts";
import { CallFailure } from "./failure.ts";
import type { Fields } from "./response-head.ts";

/** One request and one answer; `call` can be cancelled. Throws and rejects with CallFailure. */
export function callUnary(
  channel: Channel,
  path: string,
  request: Uint8Array,
  options: CallOptions,
): { readonly call: ClientCall; readonly answer: Promise<Uint8Array> } {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  let answer: Uint8Array | undefined;
  let isTooMuch = false;
  const call = channel.call(path, options, {
    backlogged: false,
    message: (bytes) => {
      isTooMuch = answer !== undefined;
      answer = bytes;
      if (isTooMuch) call.cancel();
    },
    end: (failure) => {
      if (answer !== undefined && failure === undefined) resolve(answer);
      else if (isTooMuch) reject(new CallFailure(Status.internal, "more than one answer"));
      else reject(failure ?? new CallFailure(Status.internal, "no answer came with the status OK"));
    },
  });
  call.send(request);
  call.end();
  return { call, answer: promise };
}

/** A stream: iterate for its messages (once). Iteration throws CallFailure. */
export class MessageStream implements CallSink, AsyncIterable<Uint8Array> {
  readonly call: ClientCall;
  /** Set when the stream has ended. */
  trailers: Fields | undefined;
  readonly #waiting: Uint8Array[] = [];
  #failure: CallFailure | undefined;
  #wake: (() => void) | undefined;

  /** Throws CallFailure as `Channel.call`. */
  constructor(channel: Channel, path: string, options: CallOptions) {
    this.call = channel.call(path, options, this);
  }

  get backlogged(): boolean {
    return this.#waiting.length > 0;
  }

  message(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#wake?.();
  }

  end(failure: CallFailure | undefined, trailers: Fields): void {
    this.#failure = failure;
    this.trailers = trailers;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      // While these are looked at as many again may come, and then no more.
      const taken = this.#waiting.splice(0);
      this.call.taken();
      yield* taken;
      if (this.#waiting.length > 0) continue;
      if (this.trailers !== undefined) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}

import type { Account } from "./account.ts";
import type { ServerCall } from "./call.ts";
import type { Gzip } from "./compression.ts";
import type { StatusCode } from "./status.ts";
import type { Peer } from "./types.ts";

/** What a call needs of its connection. */
export interface CallHost {
  readonly peer: Peer;
  readonly receiveMessageBytes: number;
  readonly streamQueueBytes: number;
  readonly gzip: Gzip;
  readonly account: Account;
  /** The call has something to send; it is asked for it at the end of the turn. */
  wake(call: ServerCall): void;
  /** Messages and the end of the stream that waited are to be delivered in a later turn. */
  deliverLater(call: ServerCall): void;
  /** All bytes received so far were taken by the handler: the client may send as many again. */
  credit(call: ServerCall): void;
  /** A message came, or is to go, of so many bytes; for the counters. */
  messageReceived(bytes: number): void;
  messageSent(bytes: number): void;
  /** The call is over for its handler. */
  ended(call: ServerCall, code: StatusCode): void;
  /** The deadline passed with half a message on the wire: only a reset can end it. */
  reset(call: ServerCall): void;
  /** A handler threw something that is no broken invariant. */
  handlerFailed(call: ServerCall, error: unknown): void;
}

/** The writing side of a socket: takes what fits its buffer, and says when there is room again. */
import type * as net from "node:net";
import type { Account } from "./account.ts";
import type { LentMessage } from "./lent-message.ts";

export class SocketWriter {
  /** The client does not read as fast as we write: hold back until `onRoom`. */
  full = false;
  readonly #socket: net.Socket;
  readonly #account: Account;
  /** What is stuck in the socket, as told to the account. */
  #stuckBytes = 0;

  constructor(socket: net.Socket, account: Account, onRoom: () => void) {
    this.#socket = socket;
    this.#account = account;
    socket.on("drain", () => {
      this.#account.queued(-this.#stuckBytes);
      this.#stuckBytes = 0;
      this.full = false;
      onRoom();
    });
  }

  /** `lent` are told when all parts were written. */
  write(parts: readonly Uint8Array[], lent?: readonly LentMessage[]): void {
    let free = true;
    const last = parts.length - 1;
    const written = lent === undefined ? undefined : (error?: Error | null) => tell(lent, error);
    if (last === 0) {
      free = this.#socket.write(parts[0]!, written);
    } else {
      this.#socket.cork();
      for (let i = 0; i < last; i++) this.#socket.write(parts[i]!);
      free = this.#socket.write(parts[last]!, written);
      this.#socket.uncork();
      free = free || !this.#socket.writableNeedDrain;
    }
    if (free) return;
    this.full = true;
    this.#stuckBytes = this.#socket.writableLength;
    this.#account.queued(this.#stuckBytes);
  }
}

/** After an error nobody knows what the socket still holds on to. */
function tell(lent: readonly LentMessage[], error: Error | null | undefined): void {
  if (error === undefined || error === null) for (const message of lent) message.onWritten();
}

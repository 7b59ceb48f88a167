/**
 * What all connections of a server hold together. A plain record: connections add to it at every
 * message, and whoever makes a sum pass its limit calls for relief.
 */
export interface Ledger {
  /** Calls whose stream is open. */
  calls: number;
  /** Bytes accepted for sending that the clients have not let out, kernel buffers aside. */
  queuedBytes: number;
  /** Bytes received that no handler has taken: unfinished messages, and finished ones that wait. */
  heldBytes: number;
}

export function emptyLedger(): Ledger {
  return { calls: 0, queuedBytes: 0, heldBytes: 0 };
}

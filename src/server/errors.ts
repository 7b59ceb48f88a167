import { LostEntries } from "../core/raft/index.ts";

/** Why a member does not start. Each has its own exit code, so that an operator can tell. */
export type BootErrorCode =
  /** Flags that do not fit together. */
  | "config"
  /** No data, and the running cluster could not be joined. */
  | "join"
  /** The running cluster knows this member, but its data is gone. */
  | "emptied"
  /** The member left the cluster for good. */
  | "removed"
  /** There is data where none may be. */
  | "exists"
  /** Only part of the data is there. */
  | "half"
  /** The engine is behind the log, or the log behind what it acknowledged. */
  | "behind"
  /** Engine and log do not belong together. */
  | "mismatch"
  /** Log or engine are damaged: bytes or files were lost or changed. */
  | "corrupt"
  /** The data is another cluster's, another member's or a real etcd's. */
  | "foreign"
  /** It was to go on alone, and another member runs, or may. */
  | "alive";

/** Exit codes by reason; 1 is any other failure, 2 a bad flag. */
export const exitCodes: Readonly<Record<BootErrorCode, number>> = {
  // As etcd ends for what it finds out only after its flags were parsed.
  config: 1,
  join: 70,
  removed: 71,
  exists: 72,
  half: 73,
  behind: 74,
  mismatch: 75,
  emptied: 76,
  corrupt: 77,
  foreign: 78,
  alive: 79,
};

/** The code to end with: damage by its own, also where it shows while the member runs. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof BootError) return exitCodes[error.code];
  return error instanceof LostEntries ? exitCodes.behind : 1;
}

/** The member cannot start; the message says why and what to do. */
export class BootError extends Error {
  override readonly name = "BootError";
  readonly code: BootErrorCode;

  constructor(code: BootErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** The registry did not let the member in, or could not be asked as its flags say. */
export class DiscoveryError extends BootError {
  constructor(cause: Error) {
    super("config", `failed to join discovery cluster (${cause.message})`, cause);
  }
}

/** Exit codes of etcd's tools (etcd pkg/cobrautl/error.go). */
export const exitCode = {
  success: 0,
  error: 1,
  badConnection: 2,
  /** Malformed input of txn and watch. */
  invalidInput: 3,
  /** A known option with a value that is not supported. */
  badFeature: 4,
  interrupted: 5,
  io: 6,
  badArgs: 128,
} as const;

/** Ends the command: `Error: <message>` on stderr and this exit code. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: number;
  /** False: everything has been said already; only the exit code is left. */
  readonly speaks: boolean;

  constructor(code: number, message: string, speaks = true) {
    super(message);
    this.code = code;
    this.speaks = speaks;
  }
}

/** The arguments make no sense. */
export const badArgs = (message: string): CommandError =>
  new CommandError(exitCode.badArgs, message);

/** Waits for work; its failure ends the command. CommandErrors pass through. */
export async function attempt<T>(work: Promise<T>, code: number = exitCode.error): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof CommandError ? error : new CommandError(code, messageOf(error));
  }
}

/** The system's errors in the words of Go programs: `open x: no such file or directory`. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { syscall, path } = error as NodeJS.ErrnoException;
  const text = /^E[A-Z0-9]+: ([^,]+), /.exec(error.message)?.[1];
  if (syscall === undefined || text === undefined) return error.message;
  return path === undefined ? `${syscall}: ${text}` : `${syscall} ${path}: ${text}`;
}

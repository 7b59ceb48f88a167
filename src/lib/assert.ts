/** A broken invariant: a bug in Quoin itself. Never caught to go on; the process ends. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Stops the program when an invariant does not hold; always on, also in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a switch as exhaustive: a new union member fails to compile here. */
export function assertNever(value: never): never {
  throw new AssertionError(`unexpected value ${String(value)}`);
}

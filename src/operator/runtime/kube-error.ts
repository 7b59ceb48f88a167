/** A refusal by the API server, or no answer at all (`status` 0). */
export class KubeError extends Error {
  override readonly name = "KubeError";
  /** HTTP status; 0 when the request did not get through. */
  readonly status: number;
  /** Kubernetes' machine-readable reason, e.g. "Conflict", "Expired"; may be empty. */
  readonly reason: string;

  constructor(status: number, reason: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.status = status;
    this.reason = reason;
  }
}

export const isNotFound = (error: unknown): boolean =>
  error instanceof KubeError && error.status === 404;

/** What was asked for, or undefined where the API server has none. Other errors pass. */
export async function orUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Somebody else was first: look again. */
export const isConflict = (error: unknown): boolean =>
  error instanceof KubeError && error.status === 409;

/** The resourceVersion is too old: only a new list helps. */
export const isExpired = (error: unknown): boolean =>
  error instanceof KubeError && (error.status === 410 || error.reason === "Expired");

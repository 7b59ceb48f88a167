/**
 * etcd's simple tokens: 16 random letters, a point, and the log's index at which the user was
 * authenticated. Every member learns them from the log, none keeps them over a restart. Source: etcd
 * server/auth/simple_token.go. Pure: the time is passed in.
 */

interface Token {
  readonly username: string;
  expiresMs: number;
}

/** How many users' tokens are kept; beyond it the one that was used longest ago goes. */
const tokensMax = 100_000;
/** A token's life is prolonged at most this often. */
const resolutionMs = 1000;

export class SimpleTokens {
  readonly #ttlMs: number;
  /** The one that was used longest ago first. */
  readonly #tokens = new Map<string, Token>();

  /** `ttlMs`: how long a token lives after it was used last. */
  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  get size(): number {
    return this.#tokens.size;
  }

  /** Whose token this is; prolongs its life. */
  use(token: string, nowMs: number): string | undefined {
    const found = this.#tokens.get(token);
    if (found === undefined || found.expiresMs <= nowMs) return undefined;
    const expiresMs = nowMs + this.#ttlMs;
    if (expiresMs - found.expiresMs >= Math.min(resolutionMs, this.#ttlMs / 2)) {
      this.#tokens.delete(token);
      found.expiresMs = expiresMs;
      this.#tokens.set(token, found);
    }
    return found.username;
  }

  assign(token: string, username: string, nowMs: number): void {
    this.#tokens.set(token, { username, expiresMs: nowMs + this.#ttlMs });
    if (this.#tokens.size <= tokensMax) return;
    for (const oldest of this.#tokens.keys()) {
      this.#tokens.delete(oldest);
      return;
    }
  }

  /** Forgets what has expired. */
  sweep(nowMs: number): void {
    for (const [token, { expiresMs }] of this.#tokens) {
      if (expiresMs > nowMs) return;
      this.#tokens.delete(token);
    }
  }

  forgetUser(username: string): void {
    for (const [token, found] of this.#tokens) {
      if (found.username === username) this.#tokens.delete(token);
    }
  }

  forgetAll(): void {
    this.#tokens.clear();
  }
}

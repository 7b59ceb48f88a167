/** What a client shows instead of its password. */
import { type AuthInfo, SimpleTokens } from "../../core/auth/index.ts";
import type { EtcdError } from "../../proto/index.ts";

/** Times are milliseconds of the clock's `nowMs`. */
export interface Tokens {
  /** Whose token this is, as of `revision` unless it names its own; undefined: nobody's. */
  info(token: string, revision: number, nowMs: number): AuthInfo | undefined;
  /** The log's index at which this token may come into being; undefined when it never will. */
  pendingIndex(token: string): bigint | undefined;
  /** A new token's random part, which goes through the log; "" where there is none. */
  prefix(): string;
  /** Makes the token of a user who has just been authenticated by the entry after `index`. */
  assign(grant: TokenGrant): string | EtcdError;
  /** Authentication went off: nobody's token is worth anything. */
  forgetAll(): void;
  forgetUser(username: string): void;
  sweep(nowMs: number): void;
}

export interface TokenGrant {
  readonly username: string;
  readonly revision: number;
  readonly prefix: string;
  readonly index: number;
  readonly nowMs: number;
  /** Somebody waits for it here; elsewhere only what must be remembered is done. */
  readonly waited: boolean;
}

export const defaultTokenTtlMs = 300_000;

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const prefixLength = 16;
const maxIndex = (1n << 64n) - 1n;

/** Tokens that every member remembers (--auth-token=simple). */
export class RememberedTokens implements Tokens {
  readonly #tokens: SimpleTokens;
  readonly #below: (n: number) => number;
  /** The answer for the token that was asked for last, which most requests repeat. */
  #last: { readonly token: string; readonly info: AuthInfo } | undefined;

  /** `below`: uniform, from a source that cannot be guessed. */
  constructor(ttlMs: number, below: (n: number) => number) {
    this.#tokens = new SimpleTokens(ttlMs > 0 ? ttlMs : defaultTokenTtlMs);
    this.#below = below;
  }

  info(token: string, revision: number, nowMs: number): AuthInfo | undefined {
    const username = this.#tokens.use(token, nowMs);
    if (username === undefined) return undefined;
    const last = this.#last;
    if (last?.token === token && last.info.revision === revision) return last.info;
    const info = { username, revision };
    this.#last = { token, info };
    return info;
  }

  pendingIndex(token: string): bigint | undefined {
    const digits = /^[^.]*\.(\d{1,20})$/s.exec(token)?.[1];
    if (digits === undefined) return undefined;
    const index = BigInt(digits);
    return index <= maxIndex ? index : undefined;
  }

  prefix(): string {
    return Array.from({ length: prefixLength }, () => letters[this.#below(letters.length)]).join(
      "",
    );
  }

  assign({ username, prefix, index, nowMs }: TokenGrant): string {
    const token = `${prefix}.${index}`;
    this.#tokens.assign(token, username, nowMs);
    return token;
  }

  forgetAll(): void {
    this.#tokens.forgetAll();
    this.#last = undefined;
  }

  forgetUser(username: string): void {
    this.#tokens.forgetUser(username);
    this.#last = undefined;
  }

  sweep(nowMs: number): void {
    this.#tokens.sweep(nowMs);
  }
}

/** --auth-token="": nobody gets a token, nobody's is taken. */
export const noTokens = (refusal: EtcdError): Tokens => ({
  info: () => undefined,
  pendingIndex: () => undefined,
  prefix: () => "",
  assign: () => refusal,
  forgetAll: () => undefined,
  forgetUser: () => undefined,
  sweep: () => undefined,
});

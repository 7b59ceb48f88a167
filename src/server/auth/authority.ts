/**
 * Who a client is. Source: etcd server/auth/store.go AuthInfoFromCtx, AuthInfoFromTLS, and
 * etcdserver/v3_server.go.
 */
import type { AuthInfo, AuthStore } from "../../core/auth/index.ts";
import type { Cancel, Clock } from "../../ports/index.ts";
import { EtcdError } from "../../proto/index.ts";
import type { Reply } from "../requests.ts";
import type { Tokens } from "./tokens.ts";

/** What a call brings along. */
export interface Credentials {
  /** The token in its headers; undefined when there is none. */
  token(): string | undefined;
  /**
   * The CN of the client's certificate, when it was verified and the call is the client's own;
   * undefined otherwise. Only asked where certificates name users.
   */
  commonName(): string | undefined;
}

export interface AuthorityOptions {
  readonly store: AuthStore;
  readonly tokens: Tokens;
  readonly clock: Clock;
  /** Certificates name users (--client-cert-auth). */
  readonly byCertificate: boolean;
  /**
   * Calls back once the log is applied to this index, or with an error when that takes too long. What it
   * returns gives up; after the call back it does nothing.
   */
  readonly waitApplied: (index: bigint, reply: (error: EtcdError | undefined) => void) => Cancel;
}

/**
 * Tokens that may wait for the log at once. Beyond that the one that is farthest from coming into being is
 * invalid: who makes tokens up for indexes that never come keeps no real one from being waited for.
 */
const waitingMax = 1000;

interface Waiting {
  readonly index: bigint;
  readonly token: string;
  /** Undefined once it is answered. */
  reply: Reply<AuthInfo> | undefined;
  /** Ends the wait for the log. */
  cancel: Cancel;
}

export class Authority {
  readonly #o: AuthorityOptions;
  /** By index. */
  readonly #waiting: Waiting[] = [];

  constructor(options: AuthorityOptions) {
    this.#o = options;
  }

  /** Nobody need be asked anything while this is false. */
  get enabled(): boolean {
    return this.#o.store.enabled;
  }

  /**
   * Who calls; undefined when authentication is off or nobody was named. Nearly always in this
   * turn: only a token from an entry that is not applied here yet takes a while. Errors:
   * InvalidAuthToken.
   */
  identify(credentials: Credentials, reply: Reply<AuthInfo>): void {
    const { store, tokens, clock } = this.#o;
    if (!store.enabled) {
      reply(undefined);
      return;
    }
    const token = credentials.token();
    if (token === undefined) {
      reply(undefined, this.#byCertificate(credentials));
      return;
    }
    const info = tokens.info(token, store.revision, clock.nowMs());
    if (info !== undefined) reply(undefined, info);
    else this.#await(token, reply);
  }

  /** Root, for what the member does by itself. */
  rootInfo(): AuthInfo | undefined {
    const { store } = this.#o;
    return store.enabled ? { username: "root", revision: store.revision } : undefined;
  }

  #byCertificate(credentials: Credentials): AuthInfo | undefined {
    if (!this.#o.byCertificate) return undefined;
    const username = credentials.commonName();
    if (username === undefined) return undefined;
    return { username, revision: this.#o.store.revision };
  }

  /** Another member may have given out a token that the log has not yet told here. */
  #await(token: string, reply: Reply<AuthInfo>): void {
    const index = this.#o.tokens.pendingIndex(token);
    const isFull = this.#waiting.length >= waitingMax;
    if (index === undefined || (isFull && index >= (this.#waiting.at(-1)?.index ?? 0n))) {
      reply(new EtcdError("InvalidAuthToken"));
      return;
    }
    if (isFull) this.#end(this.#waiting.at(-1) as Waiting, new EtcdError("InvalidAuthToken"));
    const waiting: Waiting = { index, token, reply, cancel: () => undefined };
    this.#waiting.splice(this.#behind(index), 0, waiting);
    waiting.cancel = this.#o.waitApplied(index, (error) => this.#end(waiting, error));
  }

  #end(waiting: Waiting, error: EtcdError | undefined): void {
    const { store, tokens, clock } = this.#o;
    const { reply, token } = waiting;
    if (reply === undefined) return;
    waiting.reply = undefined;
    waiting.cancel();
    this.#waiting.splice(this.#waiting.lastIndexOf(waiting), 1);
    if (!store.enabled) {
      reply(undefined);
      return;
    }
    const info = error ?? tokens.info(token, store.revision, clock.nowMs());
    if (info === undefined || info instanceof EtcdError) reply(new EtcdError("InvalidAuthToken"));
    else reply(undefined, info);
  }

  /** Where one of this index belongs: behind its equals. */
  #behind(index: bigint): number {
    let [low, high] = [0, this.#waiting.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#waiting[middle] as Waiting).index <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

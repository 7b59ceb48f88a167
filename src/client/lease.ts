import type { LeaseId } from "../core/types.ts";
import type { rpcpb } from "../proto/client/index.ts";
import type { Caller, CallOptions } from "./client.ts";
import { RpcError } from "./errors.ts";
import { methods } from "./methods.ts";
import { openBidi } from "./stream.ts";

/** The longest that setTimeout can wait: beyond it, it does not wait at all. */
const longestTimerMs = 2 ** 31 - 1;

/** The Lease service. TTLs in seconds. */
export class Lease {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** `id` 0 (the default): the server picks one. Throws LeaseExist, LeaseTTLTooLarge. */
  grant(
    ttl: number,
    options: CallOptions & { readonly id?: LeaseId } = {},
  ): Promise<rpcpb.LeaseGrantResponse> {
    return this.#caller.call(
      methods.leaseGrant,
      { ttl, id: options.id ?? (0n as LeaseId) },
      options,
    );
  }

  /** Deletes the lease and its keys. Throws LeaseNotFound. */
  revoke(id: LeaseId, options?: CallOptions): Promise<rpcpb.LeaseRevokeResponse> {
    return this.#caller.call(methods.leaseRevoke, { id }, options);
  }

  /** An unknown lease has ttl -1. */
  timeToLive(
    id: LeaseId,
    options: CallOptions & { readonly keys?: boolean } = {},
  ): Promise<rpcpb.LeaseTimeToLiveResponse> {
    return this.#caller.call(methods.leaseTimeToLive, { id, keys: options.keys ?? false }, options);
  }

  leases(options?: CallOptions): Promise<rpcpb.LeaseLeasesResponse> {
    return this.#caller.call(methods.leaseLeases, {}, options);
  }

  /** One renewal. An unknown or expired lease answers ttl 0. */
  async keepAliveOnce(id: LeaseId, options?: CallOptions): Promise<rpcpb.LeaseKeepAliveResponse> {
    try {
      return await this.#renew(id, options);
    } catch (error) {
      if (!this.#isTokenRefused(error)) throw error;
      return await this.#renew(id, options);
    }
  }

  async #renew(id: LeaseId, options?: CallOptions): Promise<rpcpb.LeaseKeepAliveResponse> {
    const within = { timeoutMs: 5000, ...options };
    using stream = await openBidi(this.#caller, methods.leaseKeepAlive, within);
    stream.send({ id });
    for await (const answer of stream) return answer;
    throw new Error("the keep-alive stream ended without an answer");
  }

  /** If so, the next stream has a new one. */
  #isTokenRefused(error: unknown): boolean {
    return error instanceof RpcError && this.#caller.forgetToken(error.etcd);
  }

  /**
   * Renews every third of the TTL on one stream and yields each answer; ends when the lease is gone
   * or the signal aborts. Throws RpcError when the stream breaks: the caller decides to go on.
   */
  async *keepAlive(
    id: LeaseId,
    options: CallOptions = {},
  ): AsyncGenerator<rpcpb.LeaseKeepAliveResponse> {
    using stream = await openBidi(this.#caller, methods.leaseKeepAlive, options);
    let timer: NodeJS.Timeout | undefined;
    try {
      stream.send({ id });
      for await (const answer of stream) {
        yield answer;
        if (answer.ttl <= 0) return;
        const ms = Math.min((answer.ttl * 1000) / 3, longestTimerMs);
        timer = setTimeout(() => stream.send({ id }), ms);
      }
    } catch (error) {
      this.#isTokenRefused(error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

import type { LeaseId } from "../core/types.ts";
import type { Client } from "./client.ts";
import { RpcError } from "./errors.ts";

const retryMs = 500;

/**
 * A lease that is kept alive until the session ends: keys put with it live as long as their owner
 * (etcd client/v3/concurrency/session.go). It outlives broken connections for as long as the lease
 * itself does.
 */
export class Session implements AsyncDisposable {
  readonly client: Client;
  readonly lease: LeaseId;
  /** Aborts when the lease is gone or the session was closed: what it protected may be another's. */
  readonly ended: AbortSignal;
  readonly #end: AbortController;
  readonly #kept: Promise<void>;

  private constructor(client: Client, lease: LeaseId, ttl: number) {
    this.client = client;
    this.lease = lease;
    this.#end = new AbortController();
    this.ended = this.#end.signal;
    this.#kept = this.#keepAlive(ttl);
  }

  /** `ttl` in seconds: how long the lease outlives a crashed owner. Throws RpcError. */
  static async open(client: Client, ttl = 60): Promise<Session> {
    const answer = await client.lease.grant(ttl);
    return new Session(client, answer.id, answer.ttl);
  }

  /** Stops the renewals; the lease runs out by itself. */
  async orphan(): Promise<void> {
    this.#end.abort();
    await this.#kept;
  }

  /** Stops the renewals and deletes the lease with its keys. Throws RpcError. */
  async close(): Promise<void> {
    await this.orphan();
    await this.client.lease.revoke(this.lease);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #keepAlive(grantedTtl: number): Promise<void> {
    const signal = this.ended;
    let expiresMs = performance.now() + grantedTtl * 1000;
    while (!signal.aborted && performance.now() < expiresMs) {
      try {
        for await (const { ttl } of this.client.lease.keepAlive(this.lease, { signal })) {
          expiresMs = performance.now() + ttl * 1000;
        }
        break; // the lease is gone
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof RpcError)) throw error;
        if (this.client.isClosed) break;
        const { setTimeout: delay } = process.getBuiltinModule("node:timers/promises");
        await delay(retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
    this.#end.abort();
  }
}

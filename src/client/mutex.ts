import type { Revision } from "../core/types.ts";
import { rpcpb } from "../proto/client/index.ts";
import { toBytes } from "./kv.ts";
import type { Session } from "./session.ts";
import { createdAt, firstCreated, waiterKey, waitForDeletes } from "./waiting.ts";

/**
 * A lock that one session at a time holds: the one whose key below `<name>/` was created first
 * (etcd client/v3/concurrency/mutex.go, whose keys these are: both may compete for one lock).
 */
export class Mutex {
  /** The key whose existence is the lock. */
  readonly key: string;
  readonly #session: Session;
  readonly #prefix: string;

  constructor(session: Session, name: string) {
    this.#session = session;
    this.#prefix = `${name}/`;
    this.key = waiterKey(this.#prefix, session.lease);
  }

  /**
   * Resolves to the store's revision when the lock is held. When the signal aborts, the place in the
   * queue is given up. Throws RpcError, the signal's reason, or Error when the session expired.
   */
  async lock(signal?: AbortSignal): Promise<Revision> {
    const { client, lease } = this.#session;
    const options = signal === undefined ? {} : { signal };
    const key = toBytes(this.key);
    const owner = { requestRange: firstCreated(this.#prefix) };
    const answer = await client.kv.txn(
      {
        compare: [createdAt(this.key, 0 as Revision)],
        success: [{ requestPut: rpcpb.newPutRequest({ key, lease }) }, owner].map(operation),
        failure: [{ requestRange: rpcpb.newRangeRequest({ key }) }, owner].map(operation),
      },
      options,
    );
    const now = answer.header?.revision ?? (0 as Revision);
    const mine = answer.succeeded
      ? now
      : (answer.responses[0]?.responseRange?.kvs[0]?.createRevision ?? now);
    const holder = answer.responses[1]?.responseRange?.kvs[0];
    if (holder === undefined || holder.createRevision === mine) return now;
    try {
      await waitForDeletes(client, this.#prefix, (mine - 1) as Revision, signal);
    } catch (error) {
      await this.unlock().catch(() => undefined);
      throw error;
    }
    const { kvs, header } = await client.kv.get(key, options);
    if (kvs.length === 0) throw new Error("mutex: session is expired");
    return header?.revision ?? now;
  }

  /** Throws RpcError; the lock then ends with the session. */
  async unlock(): Promise<void> {
    await this.#session.client.kv.delete(this.key);
  }
}

const operation = (op: Partial<rpcpb.RequestOp>): rpcpb.RequestOp => rpcpb.newRequestOp(op);

import type { Revision } from "../core/types.ts";
import { type mvccpb, rpcpb } from "../proto/client/index.ts";
import { toBytes } from "./kv.ts";
import type { Session } from "./session.ts";
import { createdAt, firstCreated, waiterKey, waitForDeletes } from "./waiting.ts";

/** What a leader says, and the answer's header it came with. */
export interface Proclamation {
  readonly header: rpcpb.ResponseHeader | undefined;
  readonly kv: mvccpb.KeyValue;
}

/**
 * One leader at a time among the sessions that campaign for `<name>/`: the owner of the oldest key,
 * whose value is what it proclaims (etcd client/v3/concurrency/election.go).
 */
export class Election {
  /** The candidate's key. */
  readonly key: string;
  readonly #session: Session;
  readonly #prefix: string;
  #createRevision = 0 as Revision;

  constructor(session: Session, name: string) {
    this.#session = session;
    this.#prefix = `${name}/`;
    this.key = waiterKey(this.#prefix, session.lease);
  }

  /**
   * Resolves when this session leads. When the signal aborts it stands no longer. Throws RpcError or
   * the signal's reason.
   */
  async campaign(value: string, signal?: AbortSignal): Promise<void> {
    const { client, lease } = this.#session;
    const key = toBytes(this.key);
    const put = rpcpb.newPutRequest({ key, value: toBytes(value), lease });
    const range = rpcpb.newRangeRequest({ key });
    const answer = await client.kv.txn(
      {
        compare: [createdAt(this.key, 0 as Revision)],
        success: [rpcpb.newRequestOp({ requestPut: put })],
        failure: [rpcpb.newRequestOp({ requestRange: range })],
      },
      signal === undefined ? {} : { signal },
    );
    this.#createRevision = answer.header?.revision ?? (0 as Revision);
    if (!answer.succeeded) {
      const before = answer.responses[0]?.responseRange?.kvs[0];
      this.#createRevision = before?.createRevision ?? this.#createRevision;
      if (Buffer.from(before?.value ?? []).toString() !== value) await this.proclaim(value);
    }
    try {
      const older = (this.#createRevision - 1) as Revision;
      await waitForDeletes(client, this.#prefix, older, signal);
    } catch (error) {
      await this.resign().catch(() => undefined);
      throw error;
    }
  }

  /** Changes what the leader says. Throws Error when another leads by now. */
  async proclaim(value: string): Promise<void> {
    const { client, lease } = this.#session;
    const put = rpcpb.newPutRequest({ key: toBytes(this.key), value: toBytes(value), lease });
    const answer = await client.kv.txn({
      compare: [createdAt(this.key, this.#createRevision)],
      success: [rpcpb.newRequestOp({ requestPut: put })],
    });
    if (!answer.succeeded) throw new Error("election: not leader");
  }

  /** Gives way to the next candidate. Throws RpcError. */
  async resign(): Promise<void> {
    const range = rpcpb.newDeleteRangeRequest({ key: toBytes(this.key) });
    await this.#session.client.kv.txn({
      compare: [createdAt(this.key, this.#createRevision)],
      success: [rpcpb.newRequestOp({ requestDeleteRange: range })],
    });
  }

  /**
   * What the leaders say: the newest first, then every change; not every one that came and went
   * while nobody looked. Ends when the signal aborts. Throws RpcError.
   */
  async *observe(signal: AbortSignal): AsyncGenerator<Proclamation> {
    const { client } = this.#session;
    try {
      for (;;) {
        const { header, kvs } = await client.kv.range(firstCreated(this.#prefix), { signal });
        const [first] = kvs;
        const startRevision = header?.revision ?? 0;
        const leader =
          first === undefined ? await this.#firstPut(startRevision, signal) : { header, kv: first };
        yield leader;
        yield* this.#changes(leader, startRevision, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #firstPut(startRevision: number, signal: AbortSignal): Promise<Proclamation> {
    const options = { prefix: true, startRevision, signal };
    for await (const answer of this.#session.client.watch.watch(this.#prefix, options)) {
      const put = answer.events.find(({ type }) => type === 0);
      if (put?.kv !== undefined) return { header: answer.header, kv: put.kv };
    }
    throw new Error("election: observer lost");
  }

  /** The leader's later words, until its key is gone. */
  async *#changes(
    { kv }: Proclamation,
    seen: number,
    signal: AbortSignal,
  ): AsyncGenerator<Proclamation> {
    const startRevision = Math.max(kv.modRevision, seen) + 1;
    const options = { startRevision, signal };
    for await (const answer of this.#session.client.watch.watch(kv.key, options)) {
      for (const event of answer.events) {
        if (event.type === 1 || event.kv === undefined) return;
        yield { header: answer.header, kv: event.kv };
      }
    }
  }
}

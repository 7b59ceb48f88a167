import type { Revision } from "../core/types.ts";
import type { mvccpb, rpcpb } from "../proto/client/index.ts";
import type { Client } from "./client.ts";
import { prefixEnd, toBytes } from "./kv.ts";

const pageKeys = 1000;
const firstKey: Uint8Array = Buffer.from([0]);

/**
 * The keys with a prefix as they are at one revision, in pages, and then their changes (etcd
 * client/v3/mirror). An empty prefix means all keys.
 */
export class Mirror {
  readonly #client: Client;
  readonly #prefix: string;
  #revision: number;

  /** `revision` above 0: the copy of that revision is there already; only later changes are wanted. */
  constructor(client: Client, prefix: string, revision = 0) {
    this.#client = client;
    this.#prefix = prefix;
    this.#revision = revision;
  }

  /** Everything at the newest revision. Throws RpcError. */
  async *base(): AsyncGenerator<readonly mvccpb.KeyValue[]> {
    const { header } = await this.#client.kv.get(this.#prefix === "" ? "foo" : this.#prefix);
    this.#revision = header?.revision ?? 0;
    const rangeEnd = prefixEnd(this.#prefix);
    let key = this.#prefix === "" ? firstKey : toBytes(this.#prefix);
    for (;;) {
      const revision = this.#revision as Revision;
      const page = await this.#client.kv.range({ key, rangeEnd, limit: pageKeys, revision });
      yield page.kvs;
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return;
      key = Buffer.concat([last.key, firstKey]);
    }
  }

  /** Every change behind it, without end. Throws WatchCanceledError, RpcError. */
  updates(): AsyncGenerator<rpcpb.WatchResponse> {
    const startRevision = this.#revision + 1;
    return this.#client.watch.watch(this.#prefix, { prefix: true, startRevision });
  }
}

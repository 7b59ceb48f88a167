import { toLatin1 } from "../../lib/bytes.ts";
import type { Engine, Row, WriteOp } from "../../ports/index.ts";
import { rowKey } from "./keys.ts";
import { decodeMeta, encodeMeta, ownMetaPrefix } from "./meta.ts";
import type { BackendMeta, RowKind } from "./types.ts";

const batchBytes = 4 * 1024 * 1024;
/** Handing an operation to the engine holds the loop for about 2 us. */
const batchOps = 2000;

/** Fills an empty engine with rows that come in etcd's buckets; nothing else writes to it. */
export class RowImporter {
  readonly #engine: Engine;
  #ops: WriteOp[] = [];
  #bytes = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async add(kind: Exclude<RowKind, "meta">, rows: readonly Row[]): Promise<void> {
    for (const [key, value] of rows) {
      this.#ops.push({ kind: "put", key: rowKey(kind, key), value });
      this.#bytes += key.byteLength + value.byteLength;
    }
    if (this.#bytes >= batchBytes || this.#ops.length >= batchOps) await this.#write();
  }

  /** Writes the rest and the meta rows last; all is durable when this resolves. */
  async finish(meta: BackendMeta): Promise<void> {
    for (const [name, value] of encodeMeta(meta)) {
      this.#ops.push({ kind: "put", key: rowKey("meta", Buffer.from(name)), value });
    }
    await this.#write();
    await this.#engine.flush();
  }

  async #write(): Promise<void> {
    await this.#engine.write(this.#ops);
    this.#ops = [];
    this.#bytes = 0;
  }
}

/** What etcd's bucket `meta` says; rows it does not know are passed over. */
export function metaOfBucket(rows: readonly Row[]): BackendMeta {
  return decodeMeta(rows.filter(([key]) => !toLatin1(key).startsWith(ownMetaPrefix)));
}

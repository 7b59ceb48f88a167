import type { BackendView } from "../backend/index.ts";
import { bucketsOf } from "./export.ts";

/** Rows of `meta` that differ between members of one cluster (storage/schema DefaultIgnores). */
const ignored = new Set(["consistent_index", "term", "storageVersion"]);

/**
 * Maintenance.Hash: CRC-32C over the names of all buckets and the rows in them, as they would stand in
 * a snapshot of the view. Source: etcd server/storage/backend/backend.go Hash.
 */
export async function hashDatabase(
  view: BackendView,
  crc32c: (bytes: Uint8Array, seed: number) => number,
): Promise<number> {
  let hash = 0;
  for (const { name, rows } of bucketsOf(view)) {
    hash = crc32c(Buffer.from(name), hash);
    for await (const chunk of rows()) {
      for (const [key, value] of chunk) {
        if (name === "meta" && ignored.has(Buffer.from(key).toString("latin1"))) continue;
        hash = crc32c(value, crc32c(key, hash));
      }
    }
  }
  return hash;
}

/**
 * The multi-version store: revisions, key index, transactions, watchers, compaction, hashes.
 * Values live behind the ValueStore port; the key index lives here, in memory.
 */

export { decodeKeyValue, encodeKeyValue, type KeyValue } from "./key-value.ts";
export { hasRevisionFilters, isDefaultOrder } from "./range.ts";
export {
  type CheckResult,
  checkDeleteRange,
  checkPut,
  checkRange,
  checkTxn,
  isTxnReadonly,
  isTxnSerializable,
} from "./request-check.ts";
export { decodeRevisionKey, encodeRevisionKey, type RevisionKey } from "./revision-key.ts";
export { createKvStore } from "./store.ts";
export type * from "./types.ts";
export { CompareResult, CompareTarget, SortOrder, SortTarget, WatchFilter } from "./types.ts";

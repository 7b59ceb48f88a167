/** The state machine's rows: memory tier, write-behind, engine. */
export { Backend } from "./backend.ts";
export { isEngineDamage } from "./damage.ts";
export { metaOfBucket, RowImporter } from "./import.ts";
export { encodeRevisionKey, parseRevisionKey } from "./keys.ts";
export { ownMetaPrefix } from "./meta.ts";
export { openRocksEngine, type RocksOptions } from "./rocks.ts";
export { cloneRocksEngine } from "./rocks-clone.ts";
export {
  BackendError,
  type BackendMeta,
  type BackendOptions,
  type BackendView,
  type CompactedRow,
  type RevRow,
  type RowId,
  type RowKind,
} from "./types.ts";

/** etcd's write-ahead log: `<data-dir>/member/wal`. */

export { crc32c } from "./crc32c.ts";
export { type ReadLog, readLog, readMetadata } from "./read.ts";
export {
  type ChooseSnapshot,
  type WalContents,
  type WalDamage,
  WalError,
  type WalMetadata,
  type WalObserver,
  type WalOptions,
  type WalSnapshot,
} from "./types.ts";
export { Wal } from "./wal.ts";

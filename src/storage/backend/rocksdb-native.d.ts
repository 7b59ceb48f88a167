/** The part of rocksdb-native 3.18 that is used; the package brings no types. */
declare module "rocksdb-native" {
  interface ReadBatch {
    get(key: Uint8Array): Promise<Uint8Array | null>;
    tryFlush(): void;
    destroy(): void;
  }
  interface WriteBatch {
    tryPut(key: Uint8Array, value: Uint8Array): void;
    tryDelete(key: Uint8Array): void;
    tryDeleteRange(from: Uint8Array, to: Uint8Array): void;
    flush(): Promise<void>;
    destroy(): void;
  }
  interface Range {
    readonly gte: Uint8Array;
    readonly lt: Uint8Array;
    readonly reverse?: boolean;
  }
  interface Options {
    readonly maxBackgroundJobs?: number;
    readonly maxOpenFiles?: number;
    readonly writeBufferSize?: number;
    readonly maxWriteBufferNumber?: number;
    readonly skipStatsUpdateOnOpen?: boolean;
    readonly readOnly?: boolean;
  }
  // biome-ignore lint/style/noDefaultExport: the package is CommonJS
  export default class RocksDB {
    constructor(path: string, options?: Options);
    ready(): Promise<void>;
    read(options: { capacity: number }): ReadBatch;
    write(options: { capacity: number }): WriteBatch;
    iterator(
      range: Range,
      options: { capacity: number },
    ): AsyncIterable<{ key: Uint8Array; value: Uint8Array }>;
    snapshot(): RocksDB;
    flush(): Promise<void>;
    getProperty(name: string): Promise<string | number>;
    close(options?: { force?: boolean }): Promise<void>;
  }
}

/** What the parts of a backup Job say to each other, and to the operator. */

/** A storage of artefacts: a folder of a volume, or a bucket with a prefix. Keys have `/` between their parts. */
export interface Destination {
  /** s3://bucket/prefix or pvc://claim/subPath; for people. */
  readonly uri: string;
  /**
   * Begins an object of about `sizeBytes`; nothing is seen under `key` before commit(). Rejects with
   * code AlreadyExists where there is an object of that key already.
   */
  create(key: string, options: { readonly sizeBytes: number }): Promise<ObjectWriter>;
  /** The object in pieces. Rejects with code ArtifactMissing. */
  read(key: string): AsyncIterable<Uint8Array>;
  /** A small object, whole, of at most `maxBytes`; undefined when there is none. */
  readSmall(key: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Writes a small object at once, replacing what this program wrote there. */
  writeSmall(key: string, bytes: Uint8Array): Promise<void>;
  /** Objects below `prefix`, in order of their keys, page by page. */
  list(prefix: string): AsyncIterable<StoredObject>;
  delete(key: string): Promise<void>;
  /**
   * Ends what dead runs of this program left below `prefix`: multipart uploads begun, or unfinished files
   * last written, more than `olderThanMs` ago. Returns how many. Choose an age no live run can have.
   */
  sweep(prefix: string, olderThanMs: number): Promise<number>;
  close(): void;
}

export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export interface ObjectWriter {
  /** Resolves when more may be written (bounded memory). */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes the object visible and durable. */
  commit(): Promise<void>;
  /** Takes back everything; never rejects. */
  abort(): Promise<void>;
}

export type BackupErrorCode =
  /** Flags or environment make no sense. */
  | "InvalidConfig"
  | "ClusterUnreachable"
  | "SnapshotFailed"
  | "AccessDenied"
  | "BucketMissing"
  | "DestinationFull"
  | "DestinationUnreachable"
  /** The storage refused for a reason that has no code here; the message quotes it. */
  | "DestinationFailed"
  | "AlreadyExists"
  | "ArtifactMissing"
  | "HashMismatch"
  /** Not a snapshot, or of a version that cannot be read. */
  | "InvalidSnapshot"
  | "NotEnoughSpace"
  | "DrillFailed"
  /** SIGTERM: deadline, drain or deletion. */
  | "Interrupted";

/** Ends a Job; the message says what happened, what is safe and what to do. */
export class BackupError extends Error {
  override readonly name = "BackupError";
  readonly code: BackupErrorCode;
  /** Whether trying again may help. */
  readonly transient: boolean;

  constructor(code: BackupErrorCode, message: string, transient = false) {
    super(message);
    this.code = code;
    this.transient = transient;
  }
}

/**
 * The truth about an artefact, stored beside it as `<key>.manifest.json` after the artefact itself.
 * An artefact without a readable manifest is nobody's and never deleted.
 */
export interface Manifest {
  readonly format: "quoin-backup/v1";
  readonly key: string;
  readonly cluster: {
    readonly namespace: string;
    readonly name: string;
    readonly clusterID: string;
  };
  /** EtcdCluster.status.lineage: retention deletes only what carries its own. */
  readonly lineage: string;
  /** `<namespace>/<name>` of EtcdBackup and, if any, EtcdBackupSchedule. */
  readonly backup: string;
  readonly schedule?: string;
  readonly compression: "none" | "gzip" | "zstd";
  /** Stored bytes and their sha256 in hexadecimal. */
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Of the snapshot file before compression, its own trailing sha256 included. */
  readonly snapshotBytes: number;
  /** From the view that wrote the snapshot. */
  readonly revision: number;
  readonly compactRevision: number;
  readonly hashKV: number;
  readonly quoinVersion: string;
  /** No quorum: acknowledged writes may be missing. */
  readonly possiblyStale: boolean;
  /** RFC 3339. */
  readonly startTime: string;
  readonly completionTime: string;
  readonly verified?: { readonly kind: "Checksum" | "Restore"; readonly time: string };
}

/** A backup or restore Job's last word: JSON in /dev/termination-log, at most 4096 bytes. */
export interface JobReport {
  readonly outcome: "Succeeded" | "Failed";
  /** Of a failure: a BackupErrorCode. */
  readonly reason?: string;
  readonly message: string;
  /** What was stored, or restored; without the parts the operator knows. */
  readonly manifest?: Manifest;
  readonly uri?: string;
  /** Of a restore: what the new member's data says. */
  readonly restored?: {
    /** Newest revision, the bump included. */
    readonly revision: number;
    /** Hexadecimal. */
    readonly clusterID: string;
    readonly memberID: string;
    /** An earlier run had done it. */
    readonly found: boolean;
  };
  /** Retention: never the reason of a failure. */
  readonly pruned?: { readonly deleted: number; readonly kept: number; readonly problem?: string };
  /** Seconds by step. */
  readonly seconds: { readonly [step: string]: number };
}

/** EtcdBackup and EtcdBackupSchedule, field for field as their CRDs describe them. */
import type { Condition } from "./etcdcluster.ts";
import type { KubeObject, V1ResourceRequirements, V1Toleration } from "./kube.ts";

export interface ObjectRef {
  /** In the namespace of the object that refers to it. */
  readonly name: string;
}

/** Exactly one of the two. */
export interface BackupDestination {
  readonly pvc?: {
    readonly claimName: string;
    /** Folder in the volume, without a leading slash. */
    readonly subPath?: string;
  };
  readonly s3?: {
    /** URL of an S3-compatible server; absent: AWS. */
    readonly endpoint?: string;
    readonly bucket: string;
    readonly prefix?: string;
    readonly region?: string;
    readonly forcePathStyle?: boolean;
    /** Keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and maybe AWS_SESSION_TOKEN; absent: the ServiceAccount's identity. */
    readonly credentialsSecretRef?: ObjectRef;
    /** Key ca.crt. */
    readonly caSecretRef?: ObjectRef;
  };
}

export type Compression = "none" | "gzip" | "zstd";
/** Checksum reads the stored object again; Restore boots a throw-away member from it. */
export type Verification = "None" | "Checksum" | "Restore";

/** How the pods of backup and restore Jobs are run. */
export interface JobOptions {
  /** Default: requests of 50m CPU and 128Mi. */
  readonly resources?: V1ResourceRequirements;
  readonly tolerations?: readonly V1Toleration[];
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly imagePullSecrets?: readonly ObjectRef[];
  /** Whose identity speaks to the storage; no API token is mounted. */
  readonly serviceAccountName?: string;
  /** Bound of the scratch space the drill restores into; a quantity. */
  readonly scratchSize?: string;
}

/** What one backup and a schedule have in common. */
export interface BackupOptions {
  readonly clusterRef: ObjectRef;
  readonly destination: BackupDestination;
  /** Default zstd. */
  readonly compression?: Compression;
  /** Default Checksum. */
  readonly verify?: Verification;
  /** Default 3600. */
  readonly activeDeadlineSeconds?: number;
  readonly job?: JobOptions;
}

export interface EtcdBackupSpec extends BackupOptions {
  /** What becomes of the artefact when this object is deleted. Default Retain. */
  readonly deletionPolicy?: "Retain" | "Delete";
}

export type BackupPhase = "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";

export interface BackupArtifact {
  /** s3://bucket/key or pvc://claim/path; what EtcdRestore's source.location takes. */
  readonly uri: string;
  /** Stored bytes. */
  readonly sizeBytes: number;
  /** sha256:<hex> of the stored bytes. */
  readonly checksum: string;
  readonly revision: number;
  readonly compactRevision: number;
  readonly hashKV: number;
  /** Hexadecimal. */
  readonly clusterID: string;
}

export interface EtcdBackupStatus {
  readonly observedGeneration?: number;
  readonly phase?: BackupPhase;
  /** Name of the Job, which is also this object's. */
  readonly job?: string;
  readonly startTime?: string;
  readonly completionTime?: string;
  readonly artifact?: BackupArtifact;
  /** Whose the artefact is: EtcdCluster.status.lineage when it was taken. */
  readonly lineage?: string;
  /** Only after the stored object was read again (Checksum) or booted (Restore). */
  readonly verified?: { readonly kind: Verification; readonly time: string };
  /** The snapshot may lack acknowledged writes: the cluster had no quorum. */
  readonly possiblyStale?: boolean;
  /** CamelCase, of a failure. */
  readonly reason?: string;
  readonly message?: string;
  readonly conditions?: readonly Condition<"Complete" | "Verified">[];
}

export type EtcdBackup = KubeObject<EtcdBackupSpec, EtcdBackupStatus> & {
  readonly spec: EtcdBackupSpec;
};

/** An artefact is kept while any rule wants it; the newest verified one always is. */
export interface BackupRetention {
  readonly keepLast?: number;
  /** Go duration such as 720h: nothing younger is deleted. */
  readonly maxAge?: string;
  readonly keepDaily?: number;
  readonly keepWeekly?: number;
  readonly keepMonthly?: number;
}

export interface EtcdBackupScheduleSpec extends BackupOptions {
  /** Cron, five fields. */
  readonly schedule: string;
  readonly timeZone?: string;
  readonly suspend?: boolean;
  /** One backup at once when the schedule is made. */
  readonly immediate?: boolean;
  readonly startingDeadlineSeconds?: number;
  readonly retention?: BackupRetention;
  /** EtcdBackup objects (not artefacts) kept. Defaults 3 and 3. */
  readonly successfulBackupsHistoryLimit?: number;
  readonly failedBackupsHistoryLimit?: number;
  /** Promise: the newest verified backup is never older. BackupReady tells when it is broken. */
  readonly rpoSeconds?: number;
}

export interface EtcdBackupScheduleStatus {
  readonly observedGeneration?: number;
  readonly cronJob?: string;
  readonly lastScheduleTime?: string;
  readonly lastSuccessfulTime?: string;
  /** When the newest verified backup began: it holds all that was acknowledged before. rpoSeconds counts from here. */
  readonly lastVerifiedTime?: string;
  /** The one that scheduleRef restores. */
  readonly lastVerifiedBackup?: string;
  readonly lastArtifact?: BackupArtifact;
  readonly consecutiveFailures?: number;
  readonly conditions?: readonly Condition<"BackupReady">[];
}

export type EtcdBackupSchedule = KubeObject<EtcdBackupScheduleSpec, EtcdBackupScheduleStatus> & {
  readonly spec: EtcdBackupScheduleSpec;
};

/** EtcdRestore, and the restore and recovery fields of EtcdCluster, as the CRDs describe them. */
import type { BackupDestination, JobOptions, ObjectRef } from "./backup.ts";
import type { Condition, EtcdClusterSpec } from "./etcdcluster.ts";
import type { KubeObject } from "./kube.ts";

/** A backup as it was found: where it lies and what it is known to hold. */
export interface ResolvedSource {
  readonly location: RestoreLocation;
  readonly uri: string;
  /** Of the data, before any bump. */
  readonly revision?: number;
}

/** Exactly one of the three. */
export interface RestoreSource {
  readonly backupRef?: ObjectRef;
  /** The newest verified backup of this schedule. */
  readonly scheduleRef?: ObjectRef;
  readonly location?: RestoreLocation;
}

/** An object in a storage: one of Quoin's (its manifest beside it), or a snapshot file of a real etcd. */
export interface RestoreLocation extends BackupDestination {
  /** Key below the prefix, or path below the subPath. */
  readonly key: string;
  /** sha256:<hex> of the stored bytes; default: what the manifest says. */
  readonly checksum?: string;
}

/** How data comes back; also EtcdCluster's spec.bootstrap.restore. */
export interface RestoreOptions {
  readonly source: RestoreSource;
  /** Added to the restored revision, so that no revision is seen twice. Default 1000000000. */
  readonly revisionBump?: number;
  /** Take a snapshot without the sha256 at its end (copied from a data dir). */
  readonly skipHashCheck?: boolean;
  readonly job?: JobOptions;
}

export interface EtcdRestoreSpec extends RestoreOptions {
  readonly mode: "NewCluster" | "InPlace";
  /** InPlace: the cluster whose data is replaced. NewCluster: name of the cluster to make. */
  readonly clusterRef: ObjectRef;
  /** NewCluster: its spec without bootstrap. */
  readonly clusterSpec?: EtcdClusterSpec;
  /** InPlace: where the safety backup goes while the cluster still answers; absent: the source's storage. */
  readonly safetyBackup?: { readonly skip?: boolean; readonly destination?: BackupDestination };
}

export type RestorePhase =
  | "Pending"
  | "PreFlight"
  | "SafetyBackup"
  | "Restoring"
  | "Validating"
  | "Switching"
  | "Growing"
  | "Completed"
  | "Failed"
  | "Rejected";

const finalPhases: readonly RestorePhase[] = ["Completed", "Failed", "Rejected"];

/** Whether nothing follows it. */
export const isFinal = (phase: RestorePhase): boolean => finalPhases.includes(phase);

/** The phases so far end now (RFC 3339), this one begins; a final one is over at once. */
export function enterPhase(
  phases: readonly PhaseTime[],
  phase: RestorePhase,
  now: string,
): PhaseTime[] {
  const ended = phases.map((p) => (p.completionTime ? p : { ...p, completionTime: now }));
  return [...ended, { phase, startTime: now, ...(isFinal(phase) ? { completionTime: now } : {}) }];
}

export interface PhaseTime {
  readonly phase: RestorePhase;
  readonly startTime: string;
  readonly completionTime?: string;
  readonly message?: string;
}

export interface EtcdRestoreStatus {
  readonly observedGeneration?: number;
  readonly phase?: RestorePhase;
  /** What is going on, what is safe, and what to do. */
  readonly message?: string;
  readonly startTime?: string;
  readonly completionTime?: string;
  readonly phases?: readonly PhaseTime[];
  /** UID of the cluster that was meant when the request was accepted; another one is never touched. */
  readonly targetUID?: string;
  /** What the source was found to be; from then on nothing else is restored. */
  readonly source?: ResolvedSource;
  /** Name of the EtcdBackup that was made first. */
  readonly safetyBackup?: string;
  readonly newClusterToken?: string;
  readonly conditions?: readonly Condition<"Complete">[];
}

export type EtcdRestore = KubeObject<EtcdRestoreSpec, EtcdRestoreStatus> & {
  readonly spec: EtcdRestoreSpec;
};

/**
 * Another life of the cluster that is being made beside the present one (OPERATOR 4, 20): its own
 * token, seed and volumes. Latched in EtcdCluster.status, so that deleting the request half-way
 * changes nothing; it stays as a record when it is over, until the next one begins.
 */
export interface Transition {
  readonly kind: "Restore" | "Recovery";
  /** `<namespace>/<name>/<uid>` of the EtcdRestore, `bootstrap/<digest>`, or the incident id. */
  readonly request: string;
  readonly phase: RestorePhase;
  /** Token and seed of the life to be. */
  readonly token: string;
  readonly seed: string;
  /** Hexadecimal; once the new seed was seen. */
  readonly clusterID?: string;
  /** Restore: what is restored. Recovery: absent. */
  readonly restore?: RestoreOptions & { readonly source: { readonly location: RestoreLocation } };
  /** What the restored seed must show before it is believed. */
  readonly expected?: { readonly revision?: number; readonly clusterID?: string };
  /** Recovery: the member whose disk is kept. */
  readonly survivor?: string;
  readonly phases: readonly PhaseTime[];
  readonly message?: string;
}

/** spec.quorumRecovery: a person's consent to give up what the lost disks held. */
export interface QuorumRecovery {
  /** Id of the incident, as printed in status.incident.id. */
  readonly incident: string;
  /** Default: the member with the longest log. */
  readonly survivor?: string;
}

/** A quorum that was lost, told in status while it lasts. */
export interface Incident {
  readonly id: string;
  readonly since: string;
  readonly message: string;
  readonly members: readonly {
    readonly name: string;
    /** Destroyed: its volume is gone or holds nothing of it. Unreachable: it may be alive. */
    readonly state: "Healthy" | "Answering" | "Stopped" | "Unreachable" | "Destroyed";
    readonly lastLogTerm?: number;
    readonly lastLogIndex?: number;
    readonly revision?: number;
    readonly message?: string;
  }[];
  /** The member that recovery would keep. */
  readonly survivor?: string;
}

/** What one pass saw: plain records, so that planning needs neither Kubernetes nor etcd. */
import type { JobReport } from "../../backup/index.ts";
import type { LogPosition } from "../etcd/index.ts";
import type { DisruptionBudget, EtcdCluster, Service, Transition } from "../types/index.ts";
import type { ObservedTls } from "./secrets.ts";
import type { Resolution } from "./source.ts";

export interface ObservedVolume {
  /** Of the claim; pods mount it by this name. */
  readonly name: string;
  readonly uid: string;
  /** Deletion is refused when the volume was changed since. */
  readonly resourceVersion: string;
  readonly role: "seed" | "member";
  readonly token: string;
  /** Digest of what a seed's volume is to be filled with; absent: an empty keyspace. */
  readonly source?: string;
  /** The member's initial-cluster; absent until it has the right to start. */
  readonly joinOrder?: string;
  readonly size: string;
  /** Whether deleting the cluster deletes it. */
  readonly owned: boolean;
  readonly deleting: boolean;
  /** Kubernetes says that the disk behind it is gone (phase Lost). */
  readonly lost: boolean;
}

export interface ObservedSet {
  readonly uid: string;
  /** Digest of the spec its template was built from. */
  readonly digest: string;
  readonly controlled: boolean;
  readonly deleting: boolean;
}

export interface ObservedPod {
  readonly uid: string;
  readonly ip?: string;
  readonly ready: boolean;
  readonly deleting: boolean;
  readonly digest: string;
  /** Why its container does not run, e.g. "CrashLoopBackOff"; absent while it runs or starts. */
  readonly stuck?: string;
  /** Made or told to end less than a minute ago: that it is not ready means nothing yet. */
  readonly young: boolean;
  /** How often its container was started again. */
  readonly restarts: number;
  /** The last end of its container; `running`: it was started again since. Codes: server/errors.ts. */
  readonly exit?: { readonly code: number; readonly message: string; readonly running: boolean };
  /** Its node does not answer: since when (RFC 3339), and for how long at this observation. */
  readonly unreachable?: { readonly since: string; readonly ms: number };
}

export interface ObservedJob {
  readonly uid: string;
  readonly digest: string;
  readonly state: "running" | "complete" | "failed";
  readonly controlled: boolean;
  readonly deleting: boolean;
  readonly stuck?: string;
  /** How often its newest pod's container was started again. */
  readonly restarts?: number;
  /** Digest of what it fills the volume with; absent: an empty keyspace. */
  readonly source?: string;
  /** The last word of its newest pod that left one. */
  readonly report?: JobReport;
}

/** A Job of `quoin util inspect`, and what it found (server/inspect.ts) or why it found nothing. */
export interface ObservedInspection {
  readonly uid: string;
  readonly state: "running" | "complete" | "failed";
  readonly deleting: boolean;
  readonly stuck?: string;
  readonly found?:
    | InspectedDisk
    | { readonly error: { readonly code: string; readonly message: string } };
}

/** The part of an inspection's report that ranks survivors. */
export interface InspectedDisk extends LogPosition {
  readonly clusterID: string;
  readonly commitIndex: number;
  readonly learner: boolean;
  readonly removed: boolean;
}

/** An entry of the live member list. */
export interface Peer {
  /** Hexadecimal. */
  readonly id: string;
  /** Empty until the member has started once. */
  readonly name: string;
  readonly peerUrl: string;
  readonly learner: boolean;
}

/** A member's own answer to Status. */
export interface Probe {
  readonly version: string;
  /** Hexadecimal id of the leader it follows; absent without one. */
  readonly leader?: string;
  readonly raftTerm: number;
  readonly raftIndex: number;
  readonly dbSizeBytes: number;
  /** The key-value store's; absent in old answers. */
  readonly revision?: number;
  /** Alarms and the like, as the member words them. */
  readonly errors: readonly string[];
  readonly log?: LogPosition;
}

/** Everything that belongs to one member name. */
export interface ObservedMember {
  readonly name: string;
  readonly volume?: ObservedVolume;
  readonly statefulSet?: ObservedSet;
  readonly pod?: ObservedPod;
  readonly job?: ObservedJob;
  /** The Job that looks at its volume during a recovery. */
  readonly inspect?: ObservedInspection;
  /** Its entry in the member list, matched by peer host:port. */
  readonly peer?: Peer;
  readonly probe?: Probe;
}

/** A volume that carries the cluster's name but not its token. */
export interface ForeignVolume {
  readonly name: string;
  readonly uid: string;
  readonly token: string;
  readonly member: string;
  /** Whether a member was ever to start on it: a life that was never to serve is nobody's. */
  readonly mayServe: boolean;
  /** Whether its member speaks TLS with its peers. */
  readonly peerTls?: boolean;
}

/** One life of the cluster: the members of one token, and what they say of themselves. */
export interface ObservedLife {
  /** Sorted by name. */
  readonly members: readonly ObservedMember[];
  /** Present when a linearizable member list was answered: this life has a quorum. */
  readonly live?: {
    /** Hexadecimal. */
    readonly clusterId: string;
    readonly peers: readonly Peer[];
  };
}

/** An EtcdRestore that is ready: its source is known, and a safety backup taken where one could be. */
export interface RestoreRequest extends Required<Pick<Transition, "request" | "restore">> {
  /** Of the data, as its backup recorded it. */
  readonly revision?: number;
}

/** The present life, of status.clusterToken, and what stands around it. */
export interface Observed extends ObservedLife {
  readonly cluster: EtcdCluster;
  readonly peerService?: Service;
  readonly clientService?: Service;
  readonly budget?: DisruptionBudget;
  /** Absent for a cluster without TLS. */
  readonly tls?: ObservedTls;
  /** How many volumes of lost members are kept; counted only while a member looks lost. */
  readonly keptVolumes?: number;
  /** Of neither life. */
  readonly foreignVolumes: readonly ForeignVolume[];
  /** The life of status.transition, while it is not the present one. */
  readonly next?: ObservedLife;
  readonly request?: RestoreRequest;
  /** What spec.bootstrap.restore names; absent when it is latched, or the cluster was formed. */
  readonly bootstrapSource?: Resolution;
  /** HashKV by member, all at one revision; looked at while a transition is about to be over. */
  readonly hashes?: { readonly revision: number; readonly byMember: ReadonlyMap<string, number> };
}

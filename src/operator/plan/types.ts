/** The outcome of planning: at most one step, and why. */
import type { LeafPlan } from "../resources/index.ts";
import type { EtcdClusterStatus, KubeObject, TlsMode } from "../types/index.ts";

/** Fields of status that decide later passes; written with the resourceVersion that was read. */
export type Latched = Pick<
  EtcdClusterStatus,
  | "clusterToken"
  | "seed"
  | "clusterID"
  | "version"
  | "image"
  | "tls"
  | "joining"
  | "removing"
  | "replacing"
  | "transition"
  | "incident"
  | "recoveredIncidents"
>;

/** Fields to write, undefined where one is to go. */
export type LatchSet = { readonly [K in keyof Latched]?: Latched[K] | undefined };

export type VolumeChange =
  /** Gives the member on it the right to start. */
  | { readonly kind: "joinOrder"; readonly joinOrder: string }
  /** Gives it to a member of another life, with no right to start yet; the data stays. */
  | {
      readonly kind: "assign";
      readonly member: string;
      readonly token: string;
      /** Digest of the seed source it is to be treated by. */
      readonly source: string;
    }
  /** Takes it out of the cluster's name; the data stays. `lost`: why its member was replaced. */
  | { readonly kind: "detach"; readonly lost?: string | undefined }
  | { readonly kind: "grow"; readonly size: string }
  /** Whether deleting the cluster deletes it. */
  | { readonly kind: "own"; readonly owned: boolean };

/** What becomes of a Secret; keys are made, and seen, by the act alone. Durations in milliseconds from then. */
export type SecretChange =
  /** A new authority, which is trusted beside those of `trusted` (PEM). */
  | {
      readonly kind: "authority";
      readonly secret: string;
      readonly commonName: string;
      readonly durationMs: number;
      readonly trusted: string;
    }
  /** An authority's Secret trusts none but itself any more. */
  | { readonly kind: "retire"; readonly secret: string }
  /** A new certificate, signed by the authority in Secret `authority`, with all that one trusts. */
  | {
      readonly kind: "leaf";
      readonly secret: string;
      readonly authority: string;
      /** Fingerprint of its certificate as it was seen; no other one signs. */
      readonly signer: string;
      readonly leaf: LeafPlan;
      readonly digest: string;
      readonly durationMs: number;
      readonly endpoints?: string;
    }
  /** Other authorities to trust (PEM); the certificate stays. */
  | { readonly kind: "trust"; readonly secret: string; readonly trusted: string }
  /** The content of Secret `from`, and endpoints. */
  | {
      readonly kind: "copy";
      readonly secret: string;
      readonly from: string;
      readonly endpoints: string;
      /** authorities: its ca.crt alone. former: as copies were before applications had an identity of their own. */
      readonly what: "identity" | "authorities" | "former";
    };

export type Step =
  /** Writes a decision before it is acted on; undefined clears a field. */
  | { readonly kind: "latch"; readonly set: LatchSet }
  /** Makes what must not exist yet (volumes, Jobs); an existing one ends the pass. */
  | { readonly kind: "create"; readonly object: KubeObject }
  /** Server-side apply; `uid` is that of the live object, absent when there is none. */
  | { readonly kind: "apply"; readonly object: KubeObject; readonly uid?: string | undefined }
  /** Makes a Secret, or changes the one of this uid and version. */
  | {
      readonly kind: "secret";
      readonly change: SecretChange;
      readonly uid?: string;
      readonly resourceVersion?: string;
    }
  /** Changes a volume that has this uid. */
  | {
      readonly kind: "patchVolume";
      readonly volume: string;
      readonly uid: string;
      readonly change: VolumeChange;
    }
  | {
      readonly kind: "delete";
      readonly target: "Job" | "Pod" | "StatefulSet" | "PersistentVolumeClaim";
      readonly name: string;
      readonly uid: string;
      /** Deleted only in this version: a volume may have become a member's since it was read. */
      readonly resourceVersion?: string;
    }
  | { readonly kind: "memberAdd"; readonly member: string; readonly peerUrl: string }
  | { readonly kind: "memberPromote"; readonly member: string; readonly id: string }
  | { readonly kind: "memberRemove"; readonly member: string; readonly id: string }
  | {
      readonly kind: "moveLeader";
      readonly from: string;
      readonly to: string;
      readonly id: string;
    };

/** Something a human should know of; becomes condition Degraded. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

export interface Plan {
  /** Absent: nothing to do now. */
  readonly step?: Step;
  /** What the cluster is about, for condition Progressing; `busy` is its status. */
  readonly reason: string;
  readonly message: string;
  readonly busy: boolean;
  readonly problem?: Problem;
  /** When to look again if nothing wakes us. */
  readonly requeueMs: number;
}

/** What planning may not make up itself. */
export interface PlanContext {
  readonly defaultImage: string;
  /** Of clusters that are made from now on and whose spec says nothing; absent: Disabled. */
  readonly defaultTls?: TlsMode;
  /** RFC 3339; for the times of phases. */
  readonly now: string;
  /** Random names that are free to use in this pass. */
  readonly fresh: { readonly token: string; readonly member: string };
}

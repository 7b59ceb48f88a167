/** Does one step. Every step is idempotent and conditional on what was observed. */
import { assertNever } from "../../lib/assert.ts";
import type { ChangeResult, EtcdAdmin } from "../etcd/index.ts";
import type { Observation } from "../observe/index.ts";
import type { LatchSet, Step } from "../plan/index.ts";
import {
  annotationJoinOrder,
  annotationRole,
  annotationSource,
  labelCluster,
  labelDetached,
  labelLost,
  labelMember,
  labelToken,
} from "../resources/index.ts";
import { type KubeApi, orUndefined, resourceOf, resources } from "../runtime/index.ts";
import {
  controllerRef,
  type EtcdCluster,
  type EtcdClusterStatus,
  type KubeObject,
} from "../types/index.ts";
import { changeSecret } from "./secrets.ts";

type VolumeChange = Extract<Step, { kind: "patchVolume" }>["change"];

export interface ActContext {
  readonly api: KubeApi;
  readonly etcd: EtcdAdmin;
  /** RFC 3339; certificates begin at it. */
  readonly now: string;
  readonly signal: AbortSignal;
}

/** "again" asks for another try soon without counting as a failure. */
export type ActResult = "done" | "again";

/** Throws KubeError or the etcd client's errors; a latch is not acted but written with status. */
export async function act(
  step: Exclude<Step, { kind: "latch" }>,
  observation: Observation,
  c: ActContext,
): Promise<ActResult> {
  const { cluster } = observation.observed;
  const { namespace } = cluster.metadata;
  const { signal } = c;
  switch (step.kind) {
    case "create":
      await c.api.create(resourceOf(step.object.kind), step.object, signal);
      return "done";
    case "apply":
      await c.api.apply(resourceOf(step.object.kind), withUid(step.object, step.uid), {
        // A new object must not take fields over from a foreign one made in this moment.
        force: step.uid !== undefined,
        signal,
      });
      return "done";
    case "secret":
      await changeSecret(c.api, cluster, step, Date.parse(c.now), signal);
      return "done";
    case "patchVolume": {
      const body = volumePatch(cluster, step.uid, step.change);
      await c.api.patch(resources.volumes, namespace, step.volume, body, signal);
      return "done";
    }
    case "delete": {
      const { uid, resourceVersion } = step;
      // A Job goes with its pods: the next one must not meet them on the same volume.
      const propagation = step.target === "Job" ? "Foreground" : "Background";
      const options = { uid, resourceVersion, propagation, signal } as const;
      await orUndefined(c.api.delete(resourceOf(step.target), namespace, step.name, options));
      return "done";
    }
    case "memberAdd":
      return patiently(c.etcd.memberAddLearner(leaderEndpoint(observation), step.peerUrl, signal));
    case "memberPromote":
      return patiently(c.etcd.memberPromote(leaderEndpoint(observation), step.id, signal));
    case "memberRemove":
      return patiently(c.etcd.memberRemove(leaderEndpoint(observation), step.id, signal));
    case "moveLeader":
      await c.etcd.moveLeader(endpointOf(observation, step.from), step.id, signal);
      return "done";
    default:
      return assertNever(step);
  }
}

/** `status` with the latched fields set, or removed where they are undefined. */
export function withLatch(status: EtcdClusterStatus, set: LatchSet): EtcdClusterStatus {
  const entries = Object.entries({ ...status, ...set }).filter(([, v]) => v !== undefined);
  return Object.fromEntries(entries) as EtcdClusterStatus;
}

const patiently = async (change: Promise<ChangeResult>): Promise<ActResult> =>
  (await change) === "done" ? "done" : "again";

const withUid = (object: KubeObject, uid: string | undefined): KubeObject =>
  uid === undefined ? object : { ...object, metadata: { ...object.metadata, uid } };

function volumePatch(cluster: EtcdCluster, uid: string, change: VolumeChange): unknown {
  switch (change.kind) {
    case "joinOrder":
      return { metadata: { uid, annotations: { [annotationJoinOrder]: change.joinOrder } } };
    case "assign": {
      const labels = { [labelMember]: change.member, [labelToken]: change.token };
      const annotations = {
        [annotationRole]: "seed",
        [annotationSource]: change.source,
        [annotationJoinOrder]: null,
      };
      return { metadata: { uid, labels, annotations } };
    }
    case "detach": {
      const labels = {
        [labelCluster]: null,
        [labelDetached]: cluster.metadata.name,
        ...(change.lost === undefined ? {} : { [labelLost]: change.lost }),
      };
      return { metadata: { uid, labels } };
    }
    case "grow":
      return { metadata: { uid }, spec: { resources: { requests: { storage: change.size } } } };
    case "own":
      return { metadata: { uid, ownerReferences: change.owned ? [controllerRef(cluster)] : [] } };
    default:
      return assertNever(change);
  }
}

/** The leader's endpoint, else that of any voter that answered: members forward. */
function leaderEndpoint(observation: Observation): string {
  const voters = observation.observed.members.filter((m) => m.peer && !m.peer.learner && m.probe);
  const leader = voters.find((m) => m.probe?.leader === m.peer?.id) ?? voters[0];
  return endpointOf(observation, leader?.name ?? "");
}

function endpointOf(observation: Observation, member: string): string {
  const endpoint = observation.endpoints.get(member);
  if (endpoint === undefined) throw new Error(`member ${member || "(none)"} has no address now`);
  return endpoint;
}

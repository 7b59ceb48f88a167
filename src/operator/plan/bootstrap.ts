/**
 * From nothing to a cluster of one. The right to form a cluster is used once: by the seed's Job,
 * on the seed's volume, while status names no cluster id.
 */

import type {
  ObservedJob,
  ObservedLife,
  ObservedMember,
  ObservedVolume,
} from "../observe/types.ts";
import {
  buildSeedJob,
  buildStatefulSet,
  buildVolume,
  imageVersion,
  latchedVersion,
  peerUrl,
  quorum,
  type SeedSource,
  seedJobName,
  serverImage,
  sourceDigest,
  wantedTls,
} from "../resources/index.ts";
import type { LatchedTls, TlsMode } from "../types/index.ts";
import { bootstrapTransition } from "./bootstrap-restore.ts";
import {
  deleteStep,
  deleteVolumeStep,
  detachStep,
  type Facts,
  isBroken,
  isHealthy,
  stepPlan,
  stopPlan,
  volumeStep,
  waitPlan,
} from "./facts.ts";
import { reasonOf, sourceOf } from "./phases.ts";
import { rollPod } from "./template.ts";
import type { LatchSet, Plan, Step } from "./types.ts";

/** Whether the cluster was ever seen alive, or its volumes were adopted. */
export const formed = (f: Facts): boolean =>
  f.status.clusterID !== undefined || (latched(f) && f.status.seed === undefined);

const latched = (f: Facts): boolean => f.status.clusterToken !== undefined;

/** Writes who this cluster is (token, seed, version, image) before anything is made. */
export function latchIdentity(f: Facts): Plan | undefined {
  if (!latched(f)) return f.observed.foreignVolumes.length > 0 ? foundVolumes(f) : latchNew(f);
  const { version, image } = versions(f);
  if ((f.status.version !== version || f.status.image !== image) && isProven(f)) {
    return stepPlan({ kind: "latch", set: { version, image } }, "Latching", `now at ${image}`);
  }
  return undefined;
}

/** After the Services: clients of a new life need not wait until the old one's volumes are put aside. */
export function detachForeign(f: Facts): Plan | undefined {
  const foreign = f.observed.foreignVolumes[0];
  if (foreign === undefined) return undefined;
  return stepPlan(
    detachStep(foreign.name, foreign.uid),
    "DetachingVolume",
    `volume ${foreign.name} carries another cluster's token: it is kept, out of this name`,
  );
}

/**
 * Whether what the spec asks for runs: of a living cluster only then is it what holds when the spec
 * names it no longer. A tag that never started is forgotten with the field that named it.
 */
function isProven(f: Facts): boolean {
  if (f.status.clusterID === undefined || f.status.version === undefined) return true;
  if (f.observed.live === undefined || f.healthyVoters < quorum(f.voterCount)) return false;
  return f.voters.filter(isHealthy).every((m) => m.pod?.digest === f.digest);
}

function versions(f: Facts): { version: string; image: string } {
  const { defaultImage } = f.context;
  return {
    version:
      f.cluster.spec.version ??
      f.cluster.spec.image?.tag ??
      latchedVersion(f.cluster).version ??
      imageVersion(f.cluster.spec.image?.repository ? "" : defaultImage),
    image: serverImage(f.cluster, defaultImage),
  };
}

function latchNew(f: Facts): Plan {
  const { token, member } = f.context.fresh;
  return stepPlan(
    {
      kind: "latch",
      set: { clusterToken: token, seed: member, ...versions(f), ...latchTls(wanted(f)) },
    },
    "Bootstrapping",
    `the cluster will be formed by ${member}`,
  );
}

const wanted = (f: Facts): LatchedTls => wantedTls(f.cluster, f.context.defaultTls ?? "Disabled");

const latchTls = (tls: LatchedTls): Pick<LatchSet, "tls"> =>
  tls.client === "Disabled" && tls.peer === "Disabled" ? {} : { tls };

/** The members of an adopted cluster know each other by URLs with or without TLS, and it stays so. */
function adoptedTls(f: Facts, peerTls: boolean): LatchedTls {
  const { client, peer } = f.cluster.spec.tls ?? {};
  const mode = (asked: TlsMode | undefined): TlsMode => {
    if (!peerTls) return "Disabled";
    return asked === undefined || asked === "Disabled" ? "Operator" : asked;
  };
  return { client: client?.mode ?? mode(undefined), peer: mode(peer?.mode) };
}

/** Volumes of this name and no status: another life of this cluster, or somebody else's. */
function foundVolumes(f: Facts): Plan {
  const volumes = f.observed.foreignVolumes;
  const names = volumes.map((v) => v.name).join(", ");
  const decision = f.cluster.spec.bootstrap?.existingVolumes ?? "Refuse";
  const first = volumes[0];
  if (decision === "Discard" && first !== undefined) {
    return stepPlan(
      detachStep(first.name, first.uid),
      "DetachingVolume",
      `discarding ${first.name}: it is kept, labelled with the name it had`,
    );
  }
  // A restore that was under way when the resource went leaves a volume that was not begun with.
  const tokens = new Set(volumes.filter((v) => v.mayServe).map((v) => v.token));
  const [clusterToken] = tokens;
  if (decision === "Adopt" && clusterToken !== undefined && tokens.size === 1) {
    const tls = adoptedTls(
      f,
      volumes.some((v) => v.mayServe && v.peerTls === true),
    );
    return stepPlan(
      { kind: "latch", set: { clusterToken, ...versions(f), ...latchTls(tls) } },
      "Adopting",
      `adopting the cluster on ${names}`,
    );
  }
  const why = ["nothing was ever begun on them; ", "", "they belong to more than one cluster; "];
  return stopPlan(
    "VolumesFound",
    `set spec.bootstrap.existingVolumes to Adopt (run the cluster they hold) or Discard (start empty, keep them aside): ${why[Math.min(tokens.size, 2)]}volumes of this name exist: ${names}`,
  );
}

/** A life that begins: its seed and what the seed begins with. */
export interface Life extends ObservedLife {
  readonly token: string;
  readonly seed: string;
  readonly source: SeedSource;
  /** For condition Progressing, while it begins. */
  readonly reason: string;
}

/** The seed of the present life. */
export function seed(f: Facts): Plan | undefined {
  const { members, live } = f.observed;
  return raiseSeed(f, {
    token: f.status.clusterToken ?? "",
    seed: f.status.seed ?? "",
    ...beginning(f),
    members,
    ...(live ? { live } : {}),
  });
}

function beginning(f: Facts): Pick<Life, "source" | "reason"> {
  const t = bootstrapTransition(f);
  if (t === undefined) return { source: { kind: "init" }, reason: "Bootstrapping" };
  return { source: sourceOf(t), reason: reasonOf(t) };
}

/** Volume, Job, StatefulSet; undefined once the seed answers. */
export function raiseSeed(f: Facts, life: Life): Plan | undefined {
  const name = life.seed;
  const m = life.members.find((x) => x.name === name);
  const volume = m?.volume;
  if (m === undefined || volume === undefined) {
    if (m?.statefulSet !== undefined) return lostSeedVolume(name);
    if (m?.job !== undefined) return dropJob(life, m.job);
    const source = sourceDigest(life.source);
    const object = buildVolume(f.cluster, {
      member: name,
      role: "seed",
      token: life.token,
      source,
    });
    return stepPlan({ kind: "create", object }, life.reason, `making the volume of seed ${name}`);
  }
  if (volume.deleting) {
    if (m.job !== undefined && volume.joinOrder === undefined) return dropJob(life, m.job);
    return waitPlan(life.reason, `volume of seed ${name} is being deleted`);
  }
  if (volume.joinOrder === undefined) return fillVolume(f, life, m, volume);
  return startSeed(f, life, m, { ...volume, joinOrder: volume.joinOrder });
}

function startSeed(
  f: Facts,
  life: Life,
  m: ObservedMember,
  { joinOrder, name: claim }: ObservedVolume & { readonly joinOrder: string },
): Plan | undefined {
  const { name } = m;
  if (m.statefulSet === undefined) {
    const order = { member: name, token: life.token, joinOrder, claim };
    const object = buildStatefulSet(f.cluster, order, f.context.defaultImage);
    return stepPlan({ kind: "apply", object }, life.reason, `starting seed ${name}`);
  }
  if (m.statefulSet.digest !== f.digest || isBroken(f, m)) {
    const roll = rollPod(f, m);
    if (roll !== undefined) return roll;
  }
  if (life.live !== undefined) return undefined;
  const wait = waitPlan(life.reason, `waiting for seed ${name} to answer`, 1_000);
  if (m.pod?.stuck === undefined) return wait;
  return { ...wait, problem: { reason: "MemberStuck", message: `${name}: ${m.pod.stuck}` } };
}

function lostSeedVolume(name: string): Plan {
  return stopPlan(
    "SeedVolumeLost",
    `delete this EtcdCluster and make it again: the volume of seed ${name} vanished before the cluster was first seen`,
  );
}

/** A Job whose volume is gone or going must not meet the next one. */
function dropJob(life: Life, job: ObservedJob): Plan {
  const name = seedJobName(life.seed);
  if (job.deleting) return waitPlan(life.reason, `Job ${name} is being deleted`);
  return stepPlan(deleteStep("Job", name, job.uid), life.reason, `a new volume for ${life.seed}`);
}

/** Runs the Job; once it is complete the volume gets its member's join order: itself alone. */
function fillVolume(f: Facts, life: Life, m: ObservedMember, volume: ObservedVolume): Plan {
  const { name, job } = m;
  const { source, token } = life;
  const boot = (step: Step, message: string) => stepPlan(step, life.reason, message);
  const digest = sourceDigest(source);
  const misfit = volume.source !== digest || (job !== undefined && job.source !== digest);
  if (misfit && source.kind !== "recovery") {
    return boot(deleteVolumeStep(volume), `what ${name} begins with has changed: a new volume`);
  }
  if (job === undefined) {
    const order = { member: name, token, claim: volume.name, source };
    const object = buildSeedJob(f.cluster, order, f.context.defaultImage);
    return boot({ kind: "create", object }, `filling the volume of seed ${name}`);
  }
  if (job.state === "complete") {
    const joinOrder = `${name}=${peerUrl(f.cluster, name)}`;
    const step = volumeStep(volume.name, volume.uid, { kind: "joinOrder", joinOrder });
    return boot(step, `the volume of seed ${name} is filled`);
  }
  if (job.deleting) return waitPlan(life.reason, `Job ${seedJobName(name)} is being deleted`);
  if (job.digest !== f.digest) {
    return boot(deleteStep("Job", seedJobName(name), job.uid), "the spec changed: a new seed Job");
  }
  const retry = `to try again at once delete Job ${seedJobName(name)}`;
  if (job.report?.outcome === "Failed") {
    const { message, reason = "Failed" } = job.report;
    const told = `${reason}: ${message} Nothing was formed and the backup is untouched; ${retry}.`;
    const wait = waitPlan(life.reason, `Job ${seedJobName(name)} failed: ${reason}`, 5_000);
    return { ...wait, problem: { reason: "RestoreFailed", message: told } };
  }
  if (job.state === "failed") {
    const message = `look at the logs of Job ${seedJobName(name)}; ${retry}`;
    return stopPlan("SeedJobFailed", message);
  }
  const wait = waitPlan(life.reason, `waiting for Job ${seedJobName(name)}`, 2_000);
  if (job.stuck === undefined) return wait;
  const message = `seed Job ${seedJobName(name)}: ${job.stuck}`;
  return { ...wait, problem: { reason: "SeedJobStuck", message } };
}

/** From the moment the cluster is seen, its id is written down and no seed is made again. */
export function latchClusterId(f: Facts): Plan | undefined {
  const id = f.observed.live?.clusterId;
  if (id === undefined || f.status.clusterID !== undefined) return undefined;
  return stepPlan(
    { kind: "latch", set: { clusterID: id } },
    "Bootstrapping",
    `cluster ${id} lives`,
  );
}

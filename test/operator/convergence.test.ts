import assert from "node:assert/strict";
import { test } from "node:test";
import { plan, type Step } from "../../src/operator/plan/index.ts";
import { harm } from "./losses.ts";
import { playRestore, requestNamed } from "./restores.ts";
import { defaultImage, now, pass, run } from "./story.ts";
import { Refused, World } from "./world.ts";

/** A small seeded generator (xorshift32): the same seed gives the same world. */
function random(seed: number): (n: number) => number {
  let x = seed * 2654435761 + 1 || 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

interface Stale {
  readonly step: Step;
  readonly version: string | undefined;
}

/**
 * Two operators that both believe to lead: the second one acts on what it saw some passes ago.
 * Pods die and the user changes the size while they run.
 */
function chaos(seed: number, rounds: number): World {
  const below = random(seed);
  const world = new World("a", { replicas: 1 + below(5), storage: { size: "1Gi" } });
  if (seed % 20 === 0) world.defaultTls = "Operator";
  const stale: Stale[] = [];
  for (let i = 0; i < rounds; i++) {
    const what = below(12);
    if (what === 0) world.edit({ replicas: 1 + below(5) });
    else if (what === 1) world.edit({ etcdOptions: { snapshotCount: 1 + below(9) } });
    else if (what === 2 && world.pods.size > 0) {
      const names = [...world.pods.keys()];
      const pod = world.pods.get(names[below(names.length)] ?? "");
      if (pod) pod.deleting = true;
    } else if (what < 5) remember(world, stale);
    else if (what < 7 && stale.length > 0) actLate(world, stale.shift());
    else if (what < 10) pass(world);
    else world.turn();
    assert.ok(world.formed <= 1, `seed ${seed}: ${world.formed} clusters were formed`);
    assert.ok(world.peers.filter((p) => p.learner).length <= 1, `seed ${seed}: two learners`);
  }
  return world;
}

function remember(world: World, stale: Stale[]): void {
  const observed = world.observe();
  const fresh = { token: world.next("token"), member: `a-${world.next("m")}` };
  const { step } = plan(observed, { defaultImage, defaultTls: world.defaultTls, now, fresh });
  if (step) stale.push({ step, version: observed.cluster.metadata.resourceVersion });
}

function actLate(world: World, late: Stale | undefined): void {
  try {
    if (late) world.act(late.step, late.version);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

const harms = ["volume-deleted", "volume-gone", "emptied", "ends-with 77", "node-off 900"] as const;

/**
 * The same two operators while disks and nodes are lost, never more at a time than the others bear.
 * What dead nodes hold comes back late, or never. (No rolling change: two operators may restart two
 * members at once.)
 */
function losses(seed: number, rounds: number): World {
  const below = random(seed);
  const world = new World("a", { replicas: 3 + 2 * below(2), storage: { size: "1Gi" } });
  if (seed % 20 === 0) world.defaultTls = "Operator";
  run(world, [], 400);
  const stale: Stale[] = [];
  for (let i = 0; i < rounds; i++) {
    const what = below(12);
    if (what === 0) harmOne(world, below);
    else if (what < 3) for (const name of [...world.pods.keys()]) maybeReturn(world, name, below);
    else if (what < 5) remember(world, stale);
    else if (what < 7 && stale.length > 0) actLate(world, stale.shift());
    else if (what < 10) pass(world);
    else world.turn();
    assert.equal(world.formed, 1, `seed ${seed}`);
    assert.ok(world.hasQuorum(), `seed ${seed}, round ${i}: the operator gave up the quorum`);
  }
  return world;
}

/** Only a voter without which the quorum holds, and would hold after one more restart. */
function harmOne(world: World, below: (n: number) => number): void {
  const voters = world.peers.filter((p) => !p.learner).map((p) => world.nameOf(p));
  const up = voters.filter((name) => world.runs(name) && !world.volumes.get(name)?.deleting);
  if (up.length - 2 <= voters.length / 2) return;
  const [how = "", argument] = (harms[below(harms.length)] ?? "").split(" ");
  harm(world, up[below(up.length)] ?? "", how, argument);
}

function maybeReturn(world: World, member: string, below: (n: number) => number): void {
  if (world.pods.get(member)?.unreachable && below(3) === 0) harm(world, member, "node-on");
}

test("plan() replaces whatever is lost, keeps the quorum and every disk, when two operators act on old views", () => {
  for (let seed = 1; seed <= 120; seed++) {
    const world = losses(seed, 200);
    run(world, [], 800);
    const { status, spec } = world.cluster;
    const told = `seed ${seed}: ${JSON.stringify(status?.conditions)}`;
    if (status?.conditions?.some((c) => c.reason === "TooManyLostVolumes")) continue;
    assert.equal(world.peers.filter((p) => !p.learner).length, spec.replicas, told);
    assert.ok(
      world.peers.every((p) => world.runs(world.nameOf(p))),
      told,
    );
    assert.equal(status?.replacing, undefined, told);
    assert.deepEqual(world.errors, [], told);
  }
});

test("plan() never forms two clusters and converges when two operators act on old views", () => {
  for (let seed = 1; seed <= 120; seed++) {
    const world = chaos(seed, 150);
    run(world, [], 800);
    const { status, spec } = world.cluster;
    const progressing = status?.conditions?.find((c) => c.type === "Progressing");
    const told = `seed ${seed}: ${JSON.stringify(status?.conditions)}`;
    assert.equal(progressing?.reason, "Stable", told);
    assert.equal(world.peers.filter((p) => !p.learner).length, spec.replicas, told);
    assert.equal(world.sets.size, spec.replicas, told);
    assert.deepEqual(world.errors, [], told);
  }
});

/**
 * Two operators on old views while the cluster is restored, now and again with a Job that fails, pods that
 * die and, in half of the worlds, every pod and volume gone before it.
 */
function restores(seed: number, rounds: number): World {
  const below = random(seed);
  const world = new World("a", { replicas: 1 + 2 * below(2), storage: { size: "1Gi" } });
  if (seed % 20 === 0) world.defaultTls = "Operator";
  run(world, [], 400);
  const old = world.cluster.status?.clusterToken ?? "";
  const disks = new Set(seed % 2 === 0 ? [] : [...world.volumes.values()].map((v) => v.uid));
  if (seed % 2 === 0) playRestore(world, "lose-everything", []);
  world.restoreResult = below(4) === 0 ? "HashMismatch" : 1100;
  world.request = requestNamed("r1");
  const stale: Stale[] = [];
  for (let i = 0; i < rounds; i++) {
    const what = below(12);
    if (what === 0 && i < rounds / 2) {
      const seedOf = world.cluster.status?.transition?.seed ?? "";
      const pod = world.pods.get(seedOf);
      if (pod) pod.deleting = true;
    } else if (what === 1 && below(20) === 0) world.request = undefined;
    else if (what < 5) remember(world, stale);
    else if (what < 7 && stale.length > 0) actLate(world, stale.shift());
    else if (what < 10) pass(world);
    else world.turn();
    const kept = new Set([...world.volumes.values()].map((v) => v.uid));
    const told = `seed ${seed}, round ${i}`;
    for (const disk of disks) assert.ok(kept.has(disk), `${told}: an old volume was deleted`);
    const { phase } = world.cluster.status?.transition ?? {};
    if (seed % 2 === 1 && (phase === "Restoring" || phase === "Validating" || phase === "Failed")) {
      assert.ok(
        world.hasQuorum(world.life(old)),
        `${told}: the serving cluster was hurt in ${phase}`,
      );
    }
  }
  return world;
}

test("plan() restores beside what serves, deletes no old volume, and ends in one life, when two operators act on old views", () => {
  const ends = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    const world = restores(seed, 200);
    world.request = undefined;
    run(world, [], 800);
    const { status, spec } = world.cluster;
    const told = `seed ${seed}: ${JSON.stringify(status?.transition)} ${JSON.stringify(status?.conditions)}`;
    const phase = status?.transition?.phase ?? "never asked";
    ends.add(phase);
    assert.ok(["Completed", "Failed", "never asked"].includes(phase), told);
    assert.deepEqual(world.errors, [], told);
    if (phase !== "Completed" && seed % 2 === 0) continue; // Nothing was there, nothing came.
    assert.equal(world.peers.filter((p) => !p.learner).length, spec.replicas, told);
    assert.equal(world.sets.size, spec.replicas, told);
    const tokens = [...world.sets.keys()].map((m) => world.volumes.get(m)?.token);
    assert.deepEqual(new Set(tokens), new Set([status?.clusterToken]), told);
  }
  assert.ok(ends.has("Completed") && ends.has("Failed"), [...ends].join());
});

test("plan() tells a joiner of members too that have not published their names yet", () => {
  const world = new World("a", { replicas: 5, storage: { size: "1Gi" } });
  world.unpublished = true;
  run(world);
  const voters = world.peers.filter((p) => !p.learner);
  assert.equal(voters.length, 5);
  assert.ok(voters.every((p) => world.runs(world.nameOf(p))));
});

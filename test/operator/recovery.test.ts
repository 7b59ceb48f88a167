import assert from "node:assert/strict";
import { test } from "node:test";
import { plan, type Step } from "../../src/operator/plan/index.ts";
import { harm } from "./losses.ts";
import { playRestore } from "./restores.ts";
import { defaultImage, pass, run } from "./story.ts";
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

function remember(world: World, stale: Stale[]): void {
  const observed = world.observe();
  const fresh = { token: world.next("token"), member: `a-${world.next("m")}` };
  const { step } = plan(observed, { defaultImage, now: world.now, fresh });
  if (step) stale.push({ step, version: observed.cluster.metadata.resourceVersion });
}

function actLate(world: World, late: Stale | undefined): void {
  try {
    if (late) world.act(late.step, late.version);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

/** More volumes than a quorum bears, gone at once; the index of the longest log that is left. */
function loseQuorum(world: World, below: (n: number) => number): number {
  const members = world.peers.map((p) => world.nameOf(p));
  const lost =
    Math.ceil(members.length / 2) + below(members.length - Math.ceil(members.length / 2));
  let longest = 0;
  members.forEach((member, i) => {
    const index = 11 + below(50);
    harm(world, member, "log", `3 ${index}`);
    if (i < lost) harm(world, member, "volume-gone");
    else longest = Math.max(longest, index);
  });
  return longest;
}

/** Tokens of which members run that could make a quorum. */
const serving = (world: World): string[] =>
  [...world.lives]
    .filter(([, life]) => life.peers.length > 0 && world.hasQuorum(life))
    .map(([t]) => t);

/**
 * Two operators that both believe to lead, one of them late, through a lost quorum and a person's
 * consent at some time.
 */
function recover(seed: number): World {
  const below = random(seed);
  const world = new World("a", { replicas: 3 + 2 * below(2), storage: { size: "1Gi" } });
  run(world, [], 400);
  const longest = loseQuorum(world, below);
  const before = new Set([...world.volumes.values()].map((v) => v.uid));
  const stale: Stale[] = [];
  for (let i = 0; i < 250; i++) {
    const what = below(12);
    const { incident } = world.cluster.status ?? {};
    if (what === 0) world.nowMs += 10_000;
    else if (what === 1 && incident) world.edit({ quorumRecovery: { incident: incident.id } });
    else if (what < 5) remember(world, stale);
    else if (what < 7 && stale.length > 0) actLate(world, stale.shift());
    else if (what < 10) pass(world);
    else world.turn();
    assert.ok(serving(world).length <= 1, `seed ${seed}: two lives serve`);
    assert.ok(world.formed <= 2, `seed ${seed}: ${world.formed} clusters were formed`);
    for (const uid of before) {
      const kept = [...world.volumes.values()].some((v) => v.uid === uid);
      assert.ok(kept, `seed ${seed}: a volume of the old life was deleted`);
    }
  }
  const { incident } = world.cluster.status ?? {};
  if (incident) world.edit({ quorumRecovery: { incident: incident.id } });
  world.nowMs += 60_000;
  run(world, [], 800);
  const late = world.cluster.status?.incident;
  if (late) world.edit({ quorumRecovery: { incident: late.id } });
  run(world, [], 800);
  const survivor = [...world.volumes.values()].find((v) => v.forced !== undefined);
  assert.equal(survivor?.log?.lastLogIndex, longest, `seed ${seed}: another disk was longer`);
  return world;
}

test("plan() recovers a lost quorum once, from the longest log, when two operators act on old views", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = recover(seed);
    const { status, spec } = world.cluster;
    const told = `seed ${seed}: ${JSON.stringify(status?.transition)} ${JSON.stringify(status?.conditions)}`;
    assert.equal(status?.transition?.phase, "Completed", told);
    assert.equal(status?.incident, undefined, told);
    assert.equal(world.peers.filter((p) => !p.learner).length, spec.replicas, told);
    assert.equal(world.sets.size, spec.replicas, told);
    assert.equal(world.inspections.size, 0, told);
  }
});

/**
 * Nodes go silent and some come back, a person consents at some time: either the quorum returns and
 * nothing was changed, or the recovery goes through; never both.
 */
function waver(seed: number): World {
  const below = random(seed);
  const world = new World("a", { replicas: 3, storage: { size: "1Gi" } });
  run(world, [], 400);
  const [kept, ...away] = world.peers.map((p) => world.nameOf(p));
  for (const member of away) harm(world, member, "node-off", "60");
  for (let i = 0; i < 120; i++) {
    const what = below(14);
    const { incident } = world.cluster.status ?? {};
    if (what === 0) world.nowMs += 10_000;
    else if (what === 1 && incident) world.edit({ quorumRecovery: { incident: incident.id } });
    else if (what === 2) harm(world, away[below(2)] ?? "", "node-on");
    else if (what < 9) pass(world);
    else world.turn();
    assert.ok(serving(world).length <= 1, `seed ${seed}: two lives serve`);
  }
  for (const member of away) harm(world, member, "node-on");
  run(world, [], 800);
  const survivor = [...world.volumes].find(([, v]) => v.forced !== undefined);
  if (survivor === undefined) assert.ok(world.volumes.has(kept ?? ""), `seed ${seed}`);
  return world;
}

test("plan() recovers or lets the quorum return, never both", () => {
  const ends = new Set<string>();
  for (let seed = 1; seed <= 30; seed++) {
    const world = waver(seed);
    const { status } = world.cluster;
    const told = `seed ${seed}: ${JSON.stringify(status?.transition)} ${JSON.stringify(status?.conditions)}`;
    ends.add(status?.transition?.phase ?? "none");
    assert.equal(status?.conditions?.find((c) => c.type === "Available")?.status, "True", told);
    assert.equal(status?.incident, undefined, told);
    assert.equal(world.formed, status?.transition?.phase === "Completed" ? 2 : 1, told);
    assert.equal(world.peers.filter((p) => !p.learner).length, 3, told);
  }
  assert.ok(ends.has("Completed") && ends.has("none"), [...ends].join());
});

test("plan() lets go of a recovery when a quorum answers before a disk was chosen", () => {
  const world = new World("a", { replicas: 3, storage: { size: "1Gi" } });
  run(world, [], 400);
  const [, ...away] = world.peers.map((p) => world.nameOf(p));
  for (const member of away) harm(world, member, "node-off", "60");
  run(world);
  world.nowMs += 30_000;
  run(world);
  const id = world.cluster.status?.incident?.id ?? "";
  world.edit({ quorumRecovery: { incident: id } });
  pass(world);
  assert.equal(world.cluster.status?.transition?.phase, "PreFlight");
  for (const member of away) harm(world, member, "node-on");
  world.turn();
  run(world);
  const { status } = world.cluster;
  assert.equal(status?.transition?.phase, "Failed");
  assert.match(status.transition.message ?? "", /a quorum answers again/);
  assert.equal(status.incident, undefined);
  assert.deepEqual(status.recoveredIncidents, [id], "the consent is used");
  assert.equal(world.formed, 1);
  assert.ok(world.hasQuorum());
});

test("plan() begins no recovery by itself, whatever is lost", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const below = random(seed);
    const world = new World("a", { replicas: 3 + 2 * below(2), storage: { size: "1Gi" } });
    run(world, [], 400);
    loseQuorum(world, below);
    for (let i = 0; i < 20; i++) {
      world.nowMs += 10_000;
      run(world, [], 20);
    }
    assert.ok(world.cluster.status?.incident);
    assert.equal(world.cluster.status.transition, undefined);
    assert.equal(world.formed, 1);
  }
});

/** Two disks of five are left; returns who has the longer log, who the shorter, and the incident. */
function twoLeft(): { world: World; long: string; short: string; id: string } {
  const world = new World("a", { replicas: 5, storage: { size: "1Gi" } });
  run(world, [], 400);
  const [short = "", long = "", ...gone] = world.peers.map((p) => world.nameOf(p));
  harm(world, short, "log", "3 20");
  harm(world, long, "log", "3 25");
  for (const member of gone) harm(world, member, "volume-gone");
  run(world);
  world.nowMs += 30_000;
  run(world);
  const { incident } = world.cluster.status ?? {};
  assert.equal(incident?.survivor, long);
  return { world, long, short, id: incident.id };
}

test("plan() keeps no shorter log than the consent was told of, unless it is named", () => {
  const { world, long, short, id } = twoLeft();
  // An incident's id is six characters of a token: the world's count must show in them.
  while (!world.next("token").startsWith("token2"));
  harm(world, long, "out-of-reach");
  world.edit({ quorumRecovery: { incident: id } });
  run(world, [], 200);
  const { status } = world.cluster;
  assert.equal(status?.transition?.phase, "Failed");
  assert.match(status.transition.message ?? "", new RegExp(`${long} was to be kept`));
  assert.equal(world.formed, 1);
  const again = status.incident?.id ?? "";
  assert.notEqual(again, id);
  world.edit({ quorumRecovery: { incident: again, survivor: short } });
  run(world, [], 800);
  assert.equal(world.cluster.status?.transition?.phase, "Completed");
});

test("plan() tells of the disk that can be reached, and what is lost with the one that cannot", () => {
  const { world, long, short } = twoLeft();
  harm(world, long, "node-off", "60");
  world.turn();
  run(world);
  const { incident } = world.cluster.status ?? {};
  assert.equal(incident?.survivor, short);
  assert.match(incident.message, new RegExp(`is lost: ${long} had its log up to term 3 index 25`));
});

test("plan() says that a consent waits for a restore that is under way, and for nothing a person could delete", () => {
  const world = new World("a", { replicas: 3, storage: { size: "1Gi" } });
  run(world, [], 400);
  const [, ...gone] = world.peers.map((p) => world.nameOf(p));
  world.restoreResult = "DestinationUnreachable";
  playRestore(world, "restore", ["r1"]);
  pass(world);
  for (const member of gone) harm(world, member, "volume-gone");
  for (let i = 0; i < 10 && world.cluster.status?.incident === undefined; i++) {
    world.nowMs += 10_000;
    for (let n = 0; n < 5; n++) pass(world);
    world.elect();
  }
  const { incident, transition } = world.cluster.status ?? {};
  assert.equal(transition?.phase, "Restoring");
  world.edit({ quorumRecovery: { incident: incident?.id ?? "" } });
  pass(world);
  const told = world.cluster.status?.conditions?.find((c) => c.type === "Degraded")?.message;
  assert.match(
    told ?? "",
    /waits for the end of restore ns\/r1.*deleting the request does not stop/,
  );
});

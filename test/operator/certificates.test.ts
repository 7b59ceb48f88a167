import assert from "node:assert/strict";
import { test } from "node:test";
import { textOf } from "../../src/operator/observe/index.ts";
import { plan, type Step } from "../../src/operator/plan/index.ts";
import type { Secret } from "../../src/operator/types/index.ts";
import { isIssuedBy, readCertificate } from "../../src/pki/index.ts";
import { defaultImage, pass, run } from "./story.ts";
import { Refused, World } from "./world.ts";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** How long ago a pod may have read its files: kubelets take two minutes, a paused one longer. */
const lagMs = 50 * minuteMs;

const leaves = ["a-server", "a-operator", "a-client"];

interface Moment {
  readonly atMs: number;
  readonly secrets: readonly Secret[];
}

const random = (seed: number) => {
  let x = seed * 2654435761 + 1;
  return (n: number): number => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return (x >>> 8) % n;
  };
};

/** Whoever has read the Secrets at one moment believes whoever has read them at the other, and nobody's time is over. */
function assertTrust(seed: number, shown: Moment, believed: Moment): void {
  for (const leaf of shown.secrets) {
    const cert = textOf(leaf, "tls.crt");
    assert.ok(
      readCertificate(cert).notAfterMs > believed.atMs,
      `seed ${seed}: a certificate ended`,
    );
    for (const { metadata, data } of believed.secrets) {
      const trusted = textOf({ ...leaf, data: data ?? {} }, "ca.crt");
      const what = `seed ${seed}: ${leaf.metadata.name} is not believed by ${metadata.name}`;
      assert.ok(isIssuedBy(cert, trusted), what);
    }
  }
}

test("plan() renews certificates and authorities so that all who read Secrets lately believe each other", () => {
  for (let seed = 1; seed <= 3; seed++) {
    const below = random(seed);
    const tls = { client: { mode: "Operator" }, peer: { mode: "Disabled" } } as const;
    const world = new World("a", { replicas: 1, storage: { size: "1Gi" }, tls });
    run(world, [], 100);
    const moments: Moment[] = [];
    const late: { step: Step; version: string | undefined }[] = [];
    let authorities = 1;
    for (let round = 0; round < 80; round++) {
      const what = below(20);
      const [youngest] = [...world.secrets.values()].filter((s) => s.metadata.name === "a-ca");
      // Who deletes an authority and a certificate at once gets what nobody believes yet.
      const isCalm =
        textOf(youngest, "ca.crt").match(/BEGIN/g)?.length === 1 &&
        leaves.every((name) => world.secrets.has(name));
      if (what === 0 && isCalm) world.nowMs += below(12) * dayMs;
      else if (what === 1 && isCalm) {
        world.secrets.delete("a-ca");
        authorities += 1;
      } else if (what === 2 && isCalm) world.secrets.delete(leaves[below(3)] ?? "");
      else if (what < 6) {
        const fresh = { token: world.next("token"), member: `a-${world.next("m")}` };
        const observed = world.observe();
        const { step } = plan(observed, { defaultImage, now: world.now, fresh });
        if (step) late.push({ step, version: observed.cluster.metadata.resourceVersion });
      } else if (what < 9) actLate(world, late.shift());
      else if (what < 15) pass(world);
      else world.nowMs += below(30) * minuteMs;
      const secrets = leaves.map((n) => world.secrets.get(n)).filter((s) => s !== undefined);
      moments.push({ atMs: world.nowMs, secrets });
      const recent = moments.filter((m) => m.atMs >= world.nowMs - lagMs);
      const then = recent[below(recent.length)] as Moment;
      const now = recent.at(-1) as Moment;
      assertTrust(seed, then, now);
      assertTrust(seed, now, then);
    }
    for (let hour = 0; hour < 4; hour++) {
      run(world, [], 100);
      world.nowMs += 61 * minuteMs;
    }
    const ca = textOf(world.secrets.get("a-ca"), "ca.crt");
    assert.equal(ca.match(/BEGIN/g)?.length, 1, `seed ${seed}: old ones of ${authorities} stay`);
    assert.deepEqual(world.errors, []);
  }
});

function actLate(world: World, late: { step: Step; version: string | undefined } | undefined) {
  try {
    if (late) world.act(late.step, late.version);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

test("plan() retires an authority also where certificates live shorter than its pause", () => {
  const tls = {
    client: { mode: "Operator" },
    peer: { mode: "Disabled" },
    certificateDuration: "1h",
    authorityDuration: "24h",
  } as const;
  const world = new World("a", { replicas: 1, storage: { size: "1Gi" }, tls });
  run(world, [], 100);
  for (let round = 0; round < 40 * 10; round++) {
    pass(world);
    world.nowMs += 6 * minuteMs;
    const authority = textOf(world.secrets.get("a-ca"), "tls.crt");
    assert.ok(
      readCertificate(authority).notAfterMs > world.nowMs,
      "leaves are signed by what ended",
    );
  }
});

const bare = { replicas: 1, storage: { size: "1Gi" } } as const;

test("plan() chooses TLS for a cluster whose spec says nothing, before anything is made", () => {
  const world = new World("a", bare);
  world.defaultTls = "Operator";
  const { plan: first } = pass(world);
  assert.ok(first.step?.kind === "latch");
  assert.deepEqual(first.step.set.tls, { client: "Operator", peer: "Operator" });
  run(world, [], 200);
  const { status } = world.cluster;
  assert.match(status?.endpoints?.[0] ?? "", /^https:/);
  assert.equal(status?.conditions?.find((c) => c.type === "Progressing")?.reason, "Stable");
  // The choice is the cluster's: another default is for others.
  world.defaultTls = "Disabled";
  world.edit({ replicas: 2 });
  run(world, [], 200);
  assert.equal(world.cluster.status?.endpoints?.filter((e) => e.startsWith("https:")).length, 2);
});

test("plan() leaves a cluster that was made without TLS as it is, whatever the default has become", () => {
  const world = new World("a", bare);
  run(world, [], 200);
  const token = world.cluster.status?.clusterToken;
  world.defaultTls = "Operator";
  world.edit({ replicas: 3 });
  run(world, [], 400);
  const { status } = world.cluster;
  assert.equal(status?.clusterToken, token);
  assert.equal(status?.tls, undefined);
  assert.equal(world.secrets.size, 0);
  assert.equal(status?.endpoints?.filter((e) => e.startsWith("http:")).length, 3);
});

test("plan() makes a cluster without TLS where its spec says so", () => {
  const tls = { client: { mode: "Disabled" }, peer: { mode: "Disabled" } } as const;
  const world = new World("a", { ...bare, tls });
  world.defaultTls = "Operator";
  run(world, [], 200);
  assert.equal(world.cluster.status?.tls, undefined);
  assert.equal(world.secrets.size, 0);
  assert.match(world.cluster.status?.endpoints?.[0] ?? "", /^http:/);
});

test("plan() says whose a Secret is whose name it wants, and makes nothing", () => {
  // Cluster a-peer's authority for clients and cluster a's for peers would be one Secret.
  const world = new World("a", bare);
  world.defaultTls = "Operator";
  const owner = { apiVersion: "quoin.dev/v1alpha1", kind: "EtcdCluster", name: "a-peer", uid: "x" };
  const ownerReferences = [{ ...owner, controller: true }];
  const metadata = { name: "a-peer-ca", namespace: "default", ownerReferences };
  world.putSecret({ apiVersion: "v1", kind: "Secret", metadata });
  run(world, [], 20);
  const degraded = world.cluster.status?.conditions?.find((c) => c.type === "Degraded");
  assert.equal(degraded?.reason, "NameConflict");
  assert.match(degraded?.message ?? "", /Secret a-peer-ca.*; EtcdCluster a-peer does$/);
  assert.equal(world.secrets.size, 1);
  assert.equal(world.services.size, 0);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { createClock, createLogger, createRandom } from "../../src/io/index.ts";
import { stuckReason } from "../../src/operator/observe/digest.ts";
import { tellMounts } from "../../src/operator/observe/mounts.ts";
import { Informer, resourceOf, resources } from "../../src/operator/runtime/index.ts";
import type { KubeObject, Pod } from "../../src/operator/types/index.ts";
import { freePorts } from "../free-ports.ts";
import { until } from "../until.ts";
import { admin, operatorToken } from "./api-server.ts";
import { api, type Running, server, skip, startOperator } from "./environment.ts";

const lease = () =>
  api.get<KubeObject<{ holderIdentity?: string }>>(
    resources.leases,
    "quoin-system",
    "quoin-operator",
  );

/** The runtime under faults of the real API server. */
export function registerRuntimeTests(): void {
  test("Election lets one operator act and the next one take over at once", {
    skip,
  }, async () => {
    const leads = (o: Running): boolean => o.log.some((l) => l.includes("became leader"));
    const first = startOperator();
    await until("a leader", () => leads(first));
    await using second = startOperator();
    assert.ok(!leads(second));
    const holder = async () => (await lease()).spec?.holderIdentity;
    const firstHolder = await holder();
    await first[Symbol.asyncDispose]();
    assert.equal(await first.outcome, "stopped");
    assert.notEqual(await holder(), firstHolder, "the lease is let go");
    await until("the second to lead", () => leads(second));
  });

  test("Election ends an operator whose lease was taken away", {
    skip,
  }, async () => {
    const operator = startOperator();
    await until("a leader", () => operator.log.some((l) => l.includes("became leader")));
    await until("the theft", async () => {
      const held = await lease();
      await api.replace(resources.leases, {
        ...held,
        spec: { ...held.spec, holderIdentity: "thief", leaseDurationSeconds: 1 },
      });
      return true;
    });
    assert.equal(await operator.outcome, "lost");
  });

  test("Informer survives an API server that goes away and misses nothing", {
    skip,
  }, async () => {
    const seen = new Map<string, string>();
    const stop = new AbortController();
    const informer = new Informer<KubeObject>({
      api: server.api(admin),
      resource: resources.services,
      namespace: "default",
      clock: createClock(),
      random: createRandom(),
      logger: createLogger({ level: "error" }),
      onChange: (now, before) => {
        const name = now?.metadata.name ?? before?.metadata.name ?? "";
        if (now) seen.set(name, now.metadata.resourceVersion ?? "");
        else seen.delete(name);
      },
    });
    const running = informer.run(stop.signal);
    const service = (name: string): KubeObject => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "default" },
      spec: { ports: [{ port: 1 }] },
    });
    await until("the first list", () => informer.synced);
    await api.create(resourceOf("Service"), service("before"));
    await until("an event", () => seen.has("before"));
    for (let round = 0; round < 2; round++) {
      await server.stop();
      await server.start();
      await until("a change", () => api.create(resourceOf("Service"), service(`after-${round}`)));
      await api.delete(resourceOf("Service"), "default", round === 0 ? "before" : "after-0");
      await until("the change to be seen", () => seen.has(`after-${round}`));
      await until("the deletion to be seen", () => !seen.has(round === 0 ? "before" : "after-0"));
    }
    stop.abort();
    await running;
  });

  test("/healthz turns red when the watches are silent for too long", { skip }, async () => {
    let offsetMs = 0;
    const clock = createClock();
    const [port] = await freePorts(1);
    await using operator = startOperator(
      [`--health-probe-bind-address=127.0.0.1:${port}`, "--leader-elect=false"],
      { ...clock, nowMs: () => clock.nowMs() + offsetMs },
    );
    const health = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    await until("readiness", async () => (await health("/readyz")).status === 200);
    assert.equal((await health("/healthz")).status, 200);
    offsetMs = 400_000;
    const red = await health("/healthz");
    assert.equal(red.status, 503);
    assert.match(await red.text(), /watch of etcdclusters is silent/);
    assert.ok(operator.log.length >= 0);
  });

  test("tellMounts() finds a kubelet's warning about that pod, with the operator's rights", {
    skip,
  }, async () => {
    const events = { group: "", apiVersion: "v1", kind: "Event", plural: "events" };
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const about = (uid: string, message: string): KubeObject =>
      ({
        ...{ apiVersion: "v1", kind: "Event" },
        metadata: { name: `save.${uid}`, namespace: "default" },
        involvedObject: { apiVersion: "v1", kind: "Pod", namespace: "default", name: "save", uid },
        ...{ type: "Warning", reason: "FailedMount", message },
        ...{ firstTimestamp: now, lastTimestamp: now, count: 1, source: { component: "kubelet" } },
      }) as KubeObject;
    await api.create(events, about("uid-1", 'secret "s3-ca" not found'));
    await api.create(events, about("uid-2", "another pod's"));
    const status = {
      phase: "Pending",
      conditions: [{ type: "PodScheduled", status: "True", lastTransitionTime: now }],
      containerStatuses: [{ name: "quoin", state: { waiting: { reason: "ContainerCreating" } } }],
    };
    const metadata = { name: "save", namespace: "default", uid: "uid-1" };
    const pod = { apiVersion: "v1", kind: "Pod", metadata, status } as unknown as Pod;
    const laterMs = Date.now() + 60_000;
    const [told] = await tellMounts([pod], laterMs, { api: server.api(operatorToken) });
    assert.equal(told && stuckReason(told, laterMs), 'FailedMount: secret "s3-ca" not found');
  });
}

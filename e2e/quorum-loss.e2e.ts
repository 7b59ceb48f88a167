// A quorum that is lost for good: the truth in status, nothing before a person's consent, and then
// three members with every acknowledged write that the survivor's disk held.

import assert from "node:assert/strict";
import { test } from "node:test";
import { resources } from "../src/operator/runtime/index.ts";
import type { EtcdCluster, KubeObject, Pod, Volume } from "../src/operator/types/index.ts";
import {
  api,
  killLeadingOperator,
  killProcess,
  on,
  processOf,
  secondsSince,
  TestCluster,
  until,
  useNamespace,
  Writers,
} from "./rig/index.ts";

const namespace = useNamespace("quorum-loss");
const cluster = new TestCluster(namespace, "orders");

const memberOf = (it: KubeObject): string => it.metadata.labels?.["quoin.dev/member"] ?? "";

/** As disks that die: the processes at once and hard, then the volumes with what was on them. */
async function destroy(pods: readonly Pod[]): Promise<void> {
  await Promise.all(pods.map((pod) => killProcess(processOf(pod, ["quoin", "server"]))));
  const claims = (await cluster.volumes())
    .filter((volume) => pods.some((pod) => memberOf(pod) === memberOf(volume)))
    .map((volume) => volume.metadata.name);
  await cluster.kubectl("delete", "pvc", ...claims, "--wait=false");
  const names = pods.map((pod) => pod.metadata.name);
  await cluster.kubectl("delete", "pod", ...names, "--force", "--grace-period=0");
  await until("the volumes to go", async () =>
    (await cluster.volumes()).every((volume) => !claims.includes(volume.metadata.name)),
  );
}

/** When status tells of an incident in which two members are destroyed, and this of the third. */
const incidentWith = (survivor: string): Promise<EtcdCluster> =>
  cluster.statusShows(
    `an incident with two members destroyed and one ${survivor}`,
    ({ incident, conditions = [] }) => {
      const count = (state: string) => incident?.members.filter((m) => m.state === state).length;
      const isTold = conditions.some((it) => it.reason === "QuorumLost" && it.type === "Degraded");
      return count("Destroyed") === 2 && count(survivor) === 1 && isTold;
    },
  );

/** What status says a person has to type, typed. */
async function consentAsTold({ status }: EtcdCluster): Promise<void> {
  const degraded = status?.conditions?.find((it) => it.type === "Degraded");
  assert.equal(degraded?.reason, "QuorumLost");
  const told = /kubectl (-n \S+ patch etcdcluster \S+ --type=merge -p) '(.+?)'/.exec(
    degraded.message,
  );
  assert.ok(told, `no command in ${degraded.message}`);
  const [, args = "", patch = ""] = told;
  await cluster.kubectl(...args.split(" ").slice(2), patch);
}

const objectsOf = async (): Promise<string[]> => {
  const kinds = [resources.statefulSets, resources.volumes, resources.jobs];
  const objects = await Promise.all(kinds.map((kind) => cluster.owned(kind)));
  return objects.flat().map((it) => `${it.kind} ${it.metadata.name} ${it.metadata.uid}`);
};

test(
  "two of three volumes destroyed under load: status tells the truth and waits, the survivor's log is kept",
  on(cluster, async (t) => {
    await cluster.apply({ replicas: 3, storage: { size: "1Gi" } });
    const before = await cluster.settled(3);
    await using writers = new Writers(await cluster.access(), "first/");
    await writers.progress(300);
    const leader = await cluster.leader();
    const pods = await cluster.pods();
    const survivor = pods.find((pod) => pod.metadata.name !== leader.metadata.name);
    assert.ok(survivor);
    let started = performance.now();
    await destroy(pods.filter((pod) => pod !== survivor));
    t.diagnostic(await writers.stop());

    const lost = await incidentWith("Answering");
    t.diagnostic(`destroyed to the incident in status: ${secondsSince(started)}`);
    const { incident } = lost.status ?? {};
    assert.ok(incident);
    assert.equal(incident.survivor, memberOf(survivor));
    const kept = incident.members.find((m) => m.name === memberOf(survivor));
    assert.equal(kept?.state, "Answering");
    assert.ok((kept?.lastLogIndex ?? 0) > 300, "its log is known");
    assert.equal(lost.status?.transition, undefined);

    const objects = await objectsOf();
    await cluster.patch({ quorumRecovery: { incident: "guessed" } });
    const refused = await cluster.statusShows(
      "the refusal",
      ({ conditions }) =>
        conditions?.some((it) => it.message.includes("is not the present one")) === true,
    );
    assert.deepEqual(await objectsOf(), objects, "nothing is done without the right consent");

    started = performance.now();
    await consentAsTold(refused);
    const { status } = await cluster.settled(3);
    t.diagnostic(`consent to three healthy members: ${secondsSince(started)}`);
    const { kept: writes, givenUp } = await writers.assertWholeUpToItsEnd();
    t.diagnostic(
      `${writes} acknowledged writes kept, ${givenUp} were on the destroyed disks alone`,
    );
    assert.ok(writes >= 300 - givenUp);
    assert.equal(status?.transition?.phase, "Completed");
    assert.deepEqual(status.recoveredIncidents, [incident.id]);
    assert.equal(status.incident, undefined);
    assert.notEqual(status.clusterID, before.status?.clusterID);
    assert.notEqual(status.clusterToken, before.status?.clusterToken);
    const names = new Set(pods.map(memberOf));
    assert.ok(
      status.members?.every((m) => !names.has(m.name)),
      "every member has a new name",
    );
    await cluster.etcdctl("put", "after", "recovery");
    const { header } = JSON.parse(await cluster.etcdctl("get", "after", "--write-out=json"));
    assert.ok(header.revision > 1_000_000_000, "watches that saw lost revisions start over");
  }),
);

test(
  "the destroyed disks had more than the survivor's: what it held is kept, also when the operator is killed",
  on(cluster, async (t) => {
    const leader = await cluster.leader();
    const pods = await cluster.pods();
    const survivor = pods.find((pod) => pod.metadata.name !== leader.metadata.name);
    assert.ok(survivor);
    await using writers = new Writers(await cluster.access(), "second/");
    await writers.progress(100);
    // Stopped by hand, so that its log ends here while the others go on.
    await cluster.patch({ paused: true });
    await cluster.isPaused();
    await cluster.kubectl("scale", "statefulset", memberOf(survivor), "--replicas=0");
    await until("the survivor to stop", async () => (await cluster.pods()).length === 2);
    await writers.progress(100);
    await destroy(pods.filter((pod) => pod !== survivor));
    t.diagnostic(await writers.stop());
    await cluster.kubectl(
      "patch",
      "etcdcluster",
      cluster.name,
      "--type=json",
      "-p",
      '[{"op":"remove","path":"/spec/paused"}]',
    );

    const lost = await incidentWith("Stopped");
    const state = lost.status?.incident?.members.find((m) => m.name === memberOf(survivor))?.state;
    assert.equal(state, "Stopped");
    const claims = (await cluster.volumes()).map((volume) => volume.metadata.uid);
    const started = performance.now();
    await consentAsTold(lost);
    await cluster.statusShows(
      "the recovery",
      ({ transition }) => transition?.request === lost.status?.incident?.id,
    );
    await killLeadingOperator();
    const { status } = await cluster.settled(3);
    t.diagnostic(`consent, operator killed, to three healthy members: ${secondsSince(started)}`);
    const { kept, givenUp } = await writers.assertWholeUpToItsEnd();
    t.diagnostic(`${kept} acknowledged writes kept, ${givenUp} were on the destroyed disks alone`);
    assert.ok(kept >= 100, "what the survivor's disk held");
    assert.ok(givenUp > 0, "the others had more");
    assert.equal(status?.recoveredIncidents?.length, 2);
    const volumes = await api.list<Volume>(resources.volumes, { namespace });
    for (const uid of claims) {
      assert.ok(
        volumes.items.some((volume) => volume.metadata.uid === uid),
        "no volume was deleted",
      );
    }
    assert.equal(await cluster.etcdctl("get", "--print-value-only", "after"), "recovery\n");
  }),
);

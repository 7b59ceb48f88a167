import assert from "node:assert/strict";
import { test } from "node:test";
import { KubeError, resources } from "../../src/operator/runtime/index.ts";
import type { EtcdRestore } from "../../src/operator/types/index.ts";
import { api, edit, make, skip } from "./environment.ts";

const location = { pvc: { claimName: "backups" }, key: "shop/db/1.db" };

/** In place, from a folder of a volume, unless told otherwise. */
export const makeRestore = (name: string, spec: object = {}): EtcdRestore =>
  ({
    apiVersion: "quoin.dev/v1alpha1",
    kind: "EtcdRestore",
    metadata: { name, namespace: "default" },
    spec: { mode: "InPlace", clusterRef: { name: "db" }, source: { location }, ...spec },
  }) as EtcdRestore;

/** What the API server refuses by the rules of EtcdRestore and of spec.bootstrap.restore. */
export function registerRestoreSpecTests(): void {
  const cluster = { replicas: 1, storage: { size: "1Gi" } };
  const s3 = { bucket: "b" };
  const refusals: [what: string, name: string, spec: object, message: RegExp][] = [
    [
      "two sources",
      "bad",
      { source: { location, backupRef: { name: "a" } } },
      /exactly one source/,
    ],
    ["no source", "bad", { source: {} }, /exactly one source/],
    ["no storage", "bad", { source: { location: { key: "a" } } }, /exactly one storage/],
    ["two storages", "bad", { source: { location: { ...location, s3 } } }, /exactly one storage/],
    ["an absolute key", "bad", { source: { location: { s3, key: "/a" } } }, /key/],
    ["a long name", `a${"b".repeat(45)}`, {}, /named <name>-safety/],
    ["a spec in place", "bad", { clusterSpec: cluster }, /give clusterSpec/],
    ["a new cluster without a spec", "bad", { mode: "NewCluster" }, /give clusterSpec/],
    [
      "a safety backup of nothing",
      "bad",
      { mode: "NewCluster", clusterSpec: cluster, safetyBackup: { skip: true } },
      /remove safetyBackup/,
    ],
    ["another mode", "bad", { mode: "Sideways" }, /mode/],
  ];
  for (const [what, name, spec, message] of refusals) {
    test(`the API server refuses an EtcdRestore with ${what}`, { skip }, async () => {
      await refused(api.create(resources.etcdRestores, makeRestore(name, spec)), message);
    });
  }

  test("the API server keeps what was asked for, and checks spec.bootstrap.restore", {
    skip,
  }, async () => {
    await api.create(resources.etcdRestores, makeRestore("kept"));
    const change = { spec: { clusterRef: { name: "other" } } };
    await refused(
      api.patch(resources.etcdRestores, "default", "kept", change),
      /make a new EtcdRestore instead/,
    );
    await api.delete(resources.etcdRestores, "default", "kept");
    const restore = { source: { backupRef: { name: "a" }, location } };
    await refused(
      api.create(resources.etcdClusters, make("bad", { bootstrap: { restore } })),
      /exactly one source/,
    );
    const good = { source: { location }, revisionBump: 0, job: { scratchSize: "1Gi" } };
    const asked = make("first", { paused: true, bootstrap: { restore: good } });
    const made = await api.create(resources.etcdClusters, asked);
    assert.deepEqual(made.spec.bootstrap, { restore: good });
    await edit("first", { bootstrap: null });
    await api.delete(resources.etcdClusters, "default", "first");
  });
}

async function refused(request: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(request, (error) => {
    assert.ok(error instanceof KubeError);
    assert.equal(error.status, 422);
    assert.match(error.message, message);
    return true;
  });
}

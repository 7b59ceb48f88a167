import assert from "node:assert/strict";
import { test } from "node:test";
import { KubeError, resources } from "../../src/operator/runtime/index.ts";
import { api, edit, getCluster, make, skip } from "./environment.ts";

/** What the API server refuses by the CRD's rules. */
export function registerSpecTests(): void {
  const refusals: [what: string, name: string, spec: object, message: RegExp][] = [
    ["no replicas", "bad", { replicas: 0 }, /delete the EtcdCluster/],
    ["eight replicas", "bad", { replicas: 8 }, /at most 7/],
    ["a long name", `a${"b".repeat(40)}`, {}, /shorten metadata.name/],
    ["a name with a dot", "a.b", {}, /use only a-z/],
    ["no storage size", "bad", { storage: {} }, /size/],
    ["a zero size", "bad", { storage: { size: "0" } }, /above 0/],
    ["an operator's flag", "bad", { extraArgs: ["--initial-cluster=x"] }, /operator sets itself/],
    ["a typed flag as extra", "bad", { extraArgs: ["--snapshot-count=5"] }, /spec.etcdOptions/],
    ["what is no flag", "bad", { extraArgs: ["rm -rf"] }, /extraArgs/],
    ["ETCD_ variables", "bad", { pod: { env: [{ name: "ETCD_NAME", value: "x" }] } }, /ETCD_\*/],
    ["a short election", "bad", { etcdOptions: { electionTimeout: 200 } }, /5 times/],
    ["a retention alone", "bad", { etcdOptions: { autoCompactionRetention: "1h" } }, /together/],
    ["our labels", "bad", { pod: { labels: { "quoin.dev/x": "y" } } }, /outside quoin.dev/],
    ["a hasty repair", "bad", { repair: { gracePeriod: "5s" } }, /at least 10s/],
    ["a period that is none", "bad", { repair: { gracePeriod: "soon" } }, /gracePeriod/],
    [
      "an issuer for none",
      "bad",
      { tls: { client: { issuerRef: { name: "a" } } } },
      /mode to CertManager/,
    ],
    ["no issuer", "bad", { tls: { peer: { mode: "CertManager" } } }, /name the issuer/],
    [
      "half a pair of Secrets",
      "bad",
      { tls: { client: { mode: "Secret", secretRef: { name: "a" } } } },
      /needs both/,
    ],
    [
      "a certificate for applications in another mode",
      "bad",
      { tls: { client: { mode: "Operator", applicationSecretRef: { name: "a" } } } },
      /mode to Secret, or remove .*applicationSecretRef: no other mode/,
    ],
    [
      "the operator's identity for applications",
      "bad",
      {
        tls: {
          client: {
            mode: "Secret",
            secretRef: { name: "a" },
            clientSecretRef: { name: "b" },
            applicationSecretRef: { name: "b" },
          },
        },
      },
      /invalid.*: name another Secret in tls.client.applicationSecretRef than [^;\]]*identity$/,
    ],
    ["certificates for minutes", "bad", { tls: { certificateDuration: "1m" } }, /at least 10m/],
    ["a bad version", "bad", { version: "latest" }, /version/],
  ];

  for (const [what, name, spec, message] of refusals) {
    test(`the API server refuses ${what}`, { skip }, async () => {
      await assert.rejects(api.create(resources.etcdClusters, make(name, spec)), (error) => {
        assert.ok(error instanceof KubeError);
        assert.equal(error.status, 422);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test("the API server refuses another source of certificates", { skip }, async () => {
    const tls = { client: { mode: "Operator" } };
    await api.create(resources.etcdClusters, make("sealed", { tls, paused: true }));
    const other = edit("sealed", { tls: { client: { mode: "Disabled" } } });
    await assert.rejects(other, /keep tls.client.mode as it was/);
    await api.delete(resources.etcdClusters, "default", "sealed");
  });

  test("the API server refuses changes that volumes cannot follow and serves scale", {
    skip,
  }, async () => {
    const storage = { size: "2Gi", storageClassName: "fast" };
    await api.create(resources.etcdClusters, make("storage", { storage, paused: true }));
    await assert.rejects(edit("storage", { storage: { size: "1Gi" } }), /cannot shrink/);
    await assert.rejects(
      edit("storage", { storage: { storageClassName: "slow" } }),
      /cannot change/,
    );
    await assert.rejects(edit("storage", { storage: { storageClassName: null } }), /cannot change/);
    await edit("storage", { storage: { size: "3Gi" } });
    const scale = { ...resources.etcdClusters, subresource: "scale" };
    await api.patch(scale, "default", "storage", { spec: { replicas: 3 } });
    assert.equal((await getCluster("storage")).spec.replicas, 3);
    await api.delete(resources.etcdClusters, "default", "storage");
  });
}

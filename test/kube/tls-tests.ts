import assert from "node:assert/strict";
import { test } from "node:test";
import { resources } from "../../src/operator/runtime/index.ts";
import type { Secret } from "../../src/operator/types/index.ts";
import { isIssuedBy, readCertificate } from "../../src/pki/index.ts";
import { describeCluster } from "../../src/plugin/describe.ts";
import { Issuer } from "../operator/issuers.ts";
import { until } from "../until.ts";
import { api, edit, getCluster, make, settled, skip, startOperator } from "./environment.ts";

const field = async (secret: string, key: string): Promise<string> => {
  const { data } = await api.get<Secret>(resources.secrets, "default", secret);
  return Buffer.from(data?.[key] ?? "", "base64").toString("utf8");
};

/** Certificates on a real API server, with the rights of install.yaml. */
export function registerTlsTests(): void {
  test("a cluster has authorities and certificates of its own; a deleted one is made again", {
    skip,
  }, async () => {
    await using _operator = startOperator();
    const tls = { client: { mode: "Operator" }, peer: { mode: "Operator" } };
    await api.create(resources.etcdClusters, make("secured", { tls }));
    const { status } = await settled("secured", 1);
    const peerHostname = "member.secured-peer.default.svc";
    assert.deepEqual(status?.tls, { client: "Operator", peer: "Operator", peerHostname });
    for (const endpoint of status?.endpoints ?? [""]) assert.match(endpoint, /^https:/);
    const server = await field("secured-server", "tls.crt");
    assert.ok(isIssuedBy(server, await field("secured-ca", "tls.crt")));
    assert.equal(isIssuedBy(server, await field("secured-peer-ca", "tls.crt")), false);
    assert.equal(readCertificate(await field("secured-client", "tls.crt")).isAuthority, false);
    const text = describeCluster(
      { cluster: await getCluster("secured"), schedules: [], backups: [], restores: [] },
      Date.now(),
    );
    assert.match(text, /TLS +clients Operator, peers Operator; Secret secured-client/);
    assert.match(await field("secured-client", "endpoints"), /^https:\/\/secured-client\.default/);
    await api.delete(resources.secrets, "default", "secured-server");
    await edit("secured", { repair: { automatic: true } }); // Secrets are not watched: this wakes it.
    const again = await until("another certificate", async () => {
      const cert = await field("secured-server", "tls.crt");
      return cert !== server && cert;
    });
    assert.ok(isIssuedBy(again, await field("secured-ca", "ca.crt")));
    await api.delete(resources.etcdClusters, "default", "secured");
  });

  test("a Secret of the same name that is not ours stops the cluster", { skip }, async () => {
    const metadata = { name: "guarded-ca", namespace: "default" };
    await api.create(resources.secrets, { apiVersion: "v1", kind: "Secret", metadata });
    await using _operator = startOperator();
    await api.create(
      resources.etcdClusters,
      make("guarded", { tls: { client: { mode: "Operator" } } }),
    );
    await until("NameConflict", async () => {
      const { status } = await getCluster("guarded");
      return status?.conditions?.some((c) => /rename Secret guarded-ca/.test(c.message));
    });
    await api.delete(resources.etcdClusters, "default", "guarded");
    await api.delete(resources.secrets, "default", "guarded-ca");
  });

  test("given Secrets: applications get the certificate that is named for them, and no other", {
    skip,
  }, async () => {
    const issuer = new Issuer(Date.now());
    const given = ["shop-web", "shop-admin", "shop-peers", "shop-apps"];
    for (const name of given) {
      const secret = issuer.issue(name, ["*.shop-peer.default.svc"], Date.now());
      await api.create(resources.secrets, { ...secret, metadata: { name, namespace: "default" } });
    }
    await using _operator = startOperator();
    const ref = (name: string) => ({ name });
    const refs = { secretRef: ref("shop-web"), clientSecretRef: ref("shop-admin") };
    const client = { mode: "Secret", ...refs };
    const peer = { mode: "Secret", secretRef: ref("shop-peers") };
    await api.create(resources.etcdClusters, make("shop", { tls: { client, peer } }));
    await settled("shop", 1);
    const published = async (wanted: string) => {
      const { data = {} } = await api.get<Secret>(resources.secrets, "default", "shop-client");
      const is = Object.keys(data).filter((key) => data[key] !== "");
      return is.sort().join() === wanted;
    };
    await until("no certificate", () => published("ca.crt,endpoints"));
    const whole = "ca.crt,endpoints,tls.crt,tls.key";
    await edit("shop", { tls: { client: { applicationSecretRef: ref("shop-apps") } } });
    await until("the applications' certificate", () => published(whole));
    assert.equal(await field("shop-client", "tls.crt"), await field("shop-apps", "tls.crt"));

    // As an operator left it that knew no identity but its own: in a Secret whose type wants one.
    const now = await api.get<Secret>(resources.secrets, "default", "shop-client");
    const { name, namespace, labels, ownerReferences } = now.metadata;
    await edit("shop", { paused: true, tls: { client: { applicationSecretRef: null } } });
    await settledPause("shop");
    await api.delete(resources.secrets, "default", "shop-client");
    const { data } = await api.get<Secret>(resources.secrets, "default", "shop-admin");
    await api.create(resources.secrets, {
      ...{ apiVersion: "v1", kind: "Secret", type: "kubernetes.io/tls" },
      metadata: { name, namespace, labels, ownerReferences },
      data: { ...data, endpoints: now.data?.["endpoints"] ?? "" },
    } as Secret);
    await edit("shop", { paused: null });
    await until("SharedIdentity", async () => {
      const { status } = await getCluster("shop");
      return status?.conditions?.some((c) => c.reason === "SharedIdentity");
    });
    await edit("shop", { tls: { client: { applicationSecretRef: ref("shop-apps") } } });
    await until("the applications' certificate again", async () => {
      return (await field("shop-client", "tls.crt")) === (await field("shop-apps", "tls.crt"));
    });
    await edit("shop", { tls: { client: { applicationSecretRef: null } } });
    await until("no certificate any more", () => published("ca.crt,endpoints"));
    await api.delete(resources.etcdClusters, "default", "shop");
    for (const secret of given) await api.delete(resources.secrets, "default", secret);
  });
}

/** The operator has seen spec.paused: it changes nothing from now on. */
const settledPause = (name: string) =>
  until("the pause to be seen", async () => {
    const { status } = await getCluster(name);
    return status?.conditions?.some((c) => c.reason === "Paused");
  });

// TLS for clients and peers: what a cluster makes by itself, its renewal under load, and given Secrets.

import assert from "node:assert/strict";
import { get } from "node:https";
import { type TestContext, test } from "node:test";
import { connect } from "node:tls";
import { Client } from "../src/client/index.ts";
import type { Pod } from "../src/operator/types/index.ts";
import {
  type Issued,
  isIssuedBy,
  issueLeaf,
  makeAuthority,
  readCertificate,
  splitBundle,
} from "../src/pki/index.ts";
import { NotYet } from "../test/until.ts";
import {
  Backups,
  condition,
  kubectl,
  on,
  Restores,
  secondsSince,
  secretField,
  TestCluster,
  until,
  useNamespace,
  Writers,
} from "./rig/index.ts";

const namespace = useNamespace("tls");
const cluster = new TestCluster(namespace, "vault");
const own = { client: { mode: "Operator" }, peer: { mode: "Operator" } };
const storage = { size: "1Gi" };

test(
  "clients and peers speak TLS, and nobody without a certificate is served",
  on(cluster, async () => {
    await cluster.apply({ replicas: 3, storage, tls: own });
    const { status } = await cluster.settled(3);
    for (const endpoint of status?.endpoints ?? ["none"]) assert.match(endpoint, /^https:/);
    assert.equal(await cluster.etcdctl("put", "secret", "kept"), "OK\n");
    assert.equal(await cluster.etcdctl("get", "--print-value-only", "secret"), "kept\n");
    assert.match(await cluster.etcdctl("member", "list"), /https:\/\/\S+:2380/);
    const endpoints = await secretField(namespace, "vault-client", "endpoints");
    assert.equal(endpoints, `https://vault-client.${namespace}.svc:2379`);

    const access = await cluster.access();
    const { ca, serverName } = access.tls ?? {};
    assert.ok(ca !== undefined && serverName !== undefined);
    using stranger = new Client({ endpoints: access.endpoints, tls: { ca, serverName } });
    await assert.rejects(stranger.kv.get("secret", { timeoutMs: 3000 }), "without a certificate");

    // A certificate of the peers' authority is not enough: it needs a name of the members.
    const [pod] = await cluster.pods();
    assert.ok(pod);
    const ip = pod.status?.podIP ?? "";
    const member = await guestOf("vault-peer-ca", [cluster.hostOf("member")]);
    assert.equal(await version(ip, 2380, member), 200);
    const other = await guestOf("vault-peer-ca", ["member.other-peer.default.svc"]);
    assert.notEqual(await version(ip, 2380, other), 200);
  }),
);

test(
  "new certificates reach running members under load, and no member restarts",
  on(cluster, async (t) => {
    const pods = await cluster.pods();
    // They cost no election. A machine that stands still may, but not each time.
    let elections = 1;
    for (let time = 1; elections > 0 && time <= 3; time++) elections = await renew(t, pods, time);
    assert.equal(elections, 0, "elections while certificates were renewed, three times");
    // A client that begins now has the new certificate.
    await until("the clients' certificate", () =>
      secretField(namespace, "vault-client", "tls.crt"),
    );
    assert.equal(await cluster.etcdctl("get", "--print-value-only", "secret"), "kept\n");

    await cluster.settled(3);
    const uids = (all: readonly Pod[]) => all.map((pod) => pod.metadata.uid);
    const now = await cluster.pods();
    assert.deepEqual(uids(now), uids(pods));
    const restarts = now.map((pod) => pod.status?.containerStatuses?.[0]?.restartCount);
    assert.deepEqual(restarts, [0, 0, 0]);
  }),
);

/** All certificates anew, under load; how many elections there were meanwhile. */
async function renew(t: TestContext, pods: readonly Pod[], time: number): Promise<number> {
  const availableSince = async () =>
    (await cluster.settled(3)).status?.conditions?.find((it) => it.type === "Available")
      ?.lastTransitionTime;
  const since = await availableSince();
  await using writers = new Writers(await cluster.access(), `renewed${time}/`);
  await writers.progress(50);
  const started = performance.now();
  const term = await cluster.term();
  const secrets = ["vault-server", "vault-peer", "vault-client", "vault-operator"];
  await cluster.kubectl("delete", "secret", ...secrets);
  for (const pod of pods) {
    await shows(pod, 2379, "vault-server");
    await shows(pod, 2380, "vault-peer");
  }
  t.diagnostic(`new certificates in all members: ${secondsSince(started)}`);
  await writers.progress(50);
  const elections = (await cluster.term()) - term;
  t.diagnostic(`${await writers.stop()}; ${elections} election(s)`);
  await writers.assertNothingLost();
  if (elections === 0) assert.equal(await availableSince(), since, "a quorum all the time");
  return elections;
}

test(
  "other authorities are trusted first and sign later: no member restarts, no acknowledged write is lost",
  on(cluster, async (t) => {
    const pods = await cluster.pods();
    const started = performance.now();
    const authorities = { 2379: "vault-ca", 2380: "vault-peer-ca" };
    await cluster.kubectl("delete", "secret", ...Object.values(authorities));
    for (const [port, authority] of Object.entries(authorities)) {
      for (const pod of pods) await believes(pod, Number(port), authority);
    }
    const leaves = ["vault-server", "vault-peer", "vault-client", "vault-operator"];
    for (const leaf of leaves) {
      await until(`${leaf} to name two authorities`, async () => {
        return splitBundle(await secretField(namespace, leaf, "ca.crt")).length === 2;
      });
    }
    t.diagnostic(`the next authorities trusted by all: ${secondsSince(started)}`);

    await using writers = new Writers(await cluster.access(), "authorities/");
    await writers.progress(50);
    // As if the hour in which clients read their files again were over.
    const since = new Date(Date.now() - 2 * 3_600_000).toISOString();
    const annotation = `quoin.dev/trusted-since=${since}`;
    await cluster.kubectl("annotate", "secret", ...leaves, annotation, "--overwrite");
    for (const leaf of leaves) {
      const authority = leaf === "vault-peer" ? "vault-peer-ca" : "vault-ca";
      await until(`${leaf} to be of the next authority`, async () => {
        const next = await secretField(namespace, authority, "tls.crt");
        return isIssuedBy(await secretField(namespace, leaf, "tls.crt"), next);
      });
    }
    for (const pod of pods) {
      await shows(pod, 2379, "vault-server");
      await shows(pod, 2380, "vault-peer");
    }
    t.diagnostic(`their certificates in all members: ${secondsSince(started)}`);
    await writers.progress(50);
    t.diagnostic(await writers.stop());
    await writers.assertNothingLost();
    await cluster.settled(3);
    const restarts = (await cluster.pods()).map((it) => it.status?.containerStatuses?.[0]);
    assert.deepEqual(
      restarts.map((it) => it?.restartCount),
      [0, 0, 0],
    );
  }),
);

test(
  "a member that is made after the renewal joins",
  on(cluster, async () => {
    await cluster.scale(1);
    await cluster.settled(1);
    await cluster.scale(2);
    await cluster.settled(2);
    for (const pod of await cluster.pods()) {
      assert.equal(await cluster.getFrom(pod.metadata.name, "secret"), "kept");
    }
  }),
);

test(
  "a backup, its drill and a restore in place go over TLS; the new life keeps the authorities",
  on(cluster, async () => {
    const backups = new Backups(namespace, cluster.name);
    const restores = new Restores(namespace);
    const resources = { requests: { storage: "1Gi" } };
    const spec = { accessModes: ["ReadWriteOnce"], storageClassName: "standard", resources };
    const claim = { apiVersion: "v1", kind: "PersistentVolumeClaim", spec };
    const metadata = { name: "shelf", namespace };
    await kubectl(["apply", "-f", "-"], JSON.stringify({ ...claim, metadata }));
    const destination = { pvc: { claimName: "shelf" } };
    await backups.begin("kept", { destination, verify: "Restore" });
    assert.equal((await backups.succeeded("kept")).status?.verified?.kind, "Restore");

    const authority = await secretField(namespace, "vault-ca", "tls.crt");
    await cluster.etcdctl("put", "secret", "changed");
    await restores.begin("back", cluster.name, { source: { backupRef: { name: "kept" } } });
    await restores.reaches("back", "Completed");
    await cluster.settled(2);
    assert.equal(await cluster.etcdctl("get", "--print-value-only", "secret"), "kept\n");
    assert.equal(await secretField(namespace, "vault-ca", "tls.crt"), authority);
    await cluster.delete();
  }),
);

const given = new TestCluster(namespace, "given");

test(
  "given Secrets are waited for and used; applications get the certificate that is named for them",
  on(given, async () => {
    const now = Date.now();
    const times = { notBefore: new Date(now - 60_000), notAfter: new Date(now + 86_400_000) };
    const authority = makeAuthority({ ...times, commonName: "the company" });
    const domain = `given-peer.${namespace}.svc`;
    const hosts = [`*.${domain}`, `given-client.${namespace}.svc`, "localhost", "127.0.0.1"];
    const make = async (name: string, usages: readonly ("server" | "client")[]) => {
      const leaf = issueLeaf(authority, { ...times, commonName: name, hosts, usages });
      const stringData = { "tls.crt": leaf.cert, "tls.key": leaf.key, "ca.crt": authority.cert };
      const metadata = { name, namespace };
      const type = "kubernetes.io/tls";
      const object = { apiVersion: "v1", kind: "Secret", type, metadata, stringData };
      await kubectl(["apply", "-f", "-"], JSON.stringify(object));
      return leaf.cert;
    };
    const name = (secret: string) => ({ name: secret });
    const client = { secretRef: name("web"), clientSecretRef: name("admin") };
    const applicationSecretRef = name("apps");
    await given.apply({
      replicas: 1,
      storage,
      tls: {
        client: { mode: "Secret", ...client, applicationSecretRef },
        peer: { mode: "Secret", secretRef: name("peers") },
      },
    });
    const told = await given.reaches("Degraded", "True");
    assert.equal(condition(told, "Degraded"), "True CertificateUnusable");
    await make("web", ["server"]);
    await make("peers", ["server", "client"]);
    await make("admin", ["client"]);
    const cert = await make("apps", ["client"]);
    await given.settled(1);
    assert.equal(await given.etcdctl("put", "a", "b"), "OK\n");
    assert.equal(await secretField(namespace, "given-client", "tls.crt"), cert);
  }),
);

/** A note on a pod makes its kubelet bring changed Secrets now; not more often than every 2 s. */
function kubeletLooks(pod: Pod): () => Promise<void> {
  let lookedMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - lookedMs < 2_000) return;
    lookedMs = performance.now();
    const note = `look=${Math.round(lookedMs)}`;
    await cluster.kubectl("annotate", "pod", pod.metadata.name, note, "--overwrite");
  };
}

/** When the member answers whoever comes with a certificate of the authority in that Secret. */
async function believes(pod: Pod, port: number, authority: string): Promise<void> {
  const look = kubeletLooks(pod);
  const { name } = pod.metadata;
  await until(
    `${name} to believe ${authority}`,
    async () => {
      await look();
      const guest = await guestOf(authority, port === 2380 ? [cluster.hostOf("member")] : []);
      const outcome = await version(pod.status?.podIP ?? "", port, guest);
      if (outcome === 200) return true;
      throw new NotYet(String(outcome));
    },
    180,
  );
}

/** Somebody with a certificate of the authority in that Secret, for these names. */
async function guestOf(authority: string, hosts: readonly string[]): Promise<Issued> {
  const [cert, key] = [
    await secretField(namespace, authority, "tls.crt"),
    await secretField(namespace, authority, "tls.key"),
  ];
  const now = Date.now();
  const times = { notBefore: new Date(now - 60_000), notAfter: new Date(now + 3_600_000) };
  const order = { ...times, commonName: "guest", hosts, usages: ["client"] as const };
  return issueLeaf({ cert, key }, order);
}

/** Status of GET /version, or the error's code. */
function version(host: string, port: number, identity: object): Promise<number | string> {
  return new Promise((resolve) => {
    const options = { host, port, path: "/version", rejectUnauthorized: false, agent: false };
    const request = get({ ...options, ...identity }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? String(error)));
  });
}

/** When the member presents the certificate that the Secret holds. */
async function shows(pod: Pod, port: number, secret: string): Promise<void> {
  const { name } = pod.metadata;
  const look = kubeletLooks(pod);
  await until(
    `${name} to show the certificate of ${secret}`,
    async () => {
      await look();
      const wanted = readCertificate(await secretField(namespace, secret, "tls.crt")).fingerprint;
      const shown = await presented(pod.status?.podIP ?? "", port, cluster.hostOf(name));
      if (shown === wanted) return true;
      throw new NotYet(`shows ${shown}, the Secret holds ${wanted}`);
    },
    180,
  );
}

/** Fingerprint of what is shown to whoever dials; the handshake may fail after it for want of ours. */
function presented(host: string, port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, servername, rejectUnauthorized: false }, () => {
      const text = socket.getPeerX509Certificate()?.fingerprint256 ?? "";
      resolve(text.replaceAll(":", "").toLowerCase());
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

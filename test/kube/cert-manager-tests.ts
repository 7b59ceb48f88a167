import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { buildCertificate, leavesOf } from "../../src/operator/resources/index.ts";
import { isNotFound, resources } from "../../src/operator/runtime/index.ts";
import type { KubeObject, Secret } from "../../src/operator/types/index.ts";
import { isIssuedBy, readCertificate } from "../../src/pki/index.ts";
import { Issuer } from "../operator/issuers.ts";
import { until } from "../until.ts";
import { admin, findProgram } from "./api-server.ts";
import {
  api,
  applyObject,
  edit,
  getCluster,
  make,
  server,
  settled,
  skip,
  startOperator,
} from "./environment.ts";

const program = findProgram("cert-manager", "newest");
const notBuilt = program === undefined && "not built: bash e2e/tools/build.sh cert-manager";

const field = async (secret: string, key: string): Promise<string> => {
  const { data } = await api.get<Secret>(resources.secrets, "default", secret);
  return Buffer.from(data?.[key] ?? "", "base64").toString("utf8");
};

/** The Certificates that we order, with cert-manager's definitions and then with its controllers. */
export function registerCertManagerTests(): void {
  test("cert-manager's definition takes the Certificates, and their Secrets are used", {
    skip: skip || noDefinition,
  }, async () => {
    for (const object of definitions("certificates")) await applyObject(object);
    await using _operator = startOperator();
    const issuerRef = { name: "company", kind: "ClusterIssuer" };
    const side = { mode: "CertManager", issuerRef };
    await api.create(
      resources.etcdClusters,
      make("managed", { tls: { client: side, peer: side } }),
    );
    const issuer = new Issuer(Date.now());
    const names = ["managed-server", "managed-operator", "managed-client-tls", "managed-peer"];
    for (const name of names) {
      const order = await until(`Certificate ${name}`, () => certificate(name));
      const cluster = await getCluster("managed");
      const wanted = (["client", "peer"] as const)
        .flatMap((s) => leavesOf(cluster, s))
        .find((leaf) => leaf.secret === name);
      assert.ok(wanted);
      // What the definition does not know would be missing now.
      assert.deepEqual(order.spec, buildCertificate(cluster, wanted).spec);
      const secret = issuer.fulfil(order, Date.now());
      await api.create(resources.secrets, { ...secret, metadata: { name, namespace: "default" } });
    }
    await settled("managed", 1);
    const cert = await field("managed-client-tls", "tls.crt");
    assert.equal(await field("managed-client", "tls.crt"), cert);
    await api.delete(resources.etcdClusters, "default", "managed");
    for (const name of names) await api.delete(resources.secrets, "default", name);
  });

  test("cert-manager's own controllers issue what a cluster orders, and renew it", {
    skip: skip || noDefinition || notBuilt,
  }, async () => {
    const kinds = ["certificates", "certificaterequests", "issuers", "clusterissuers"];
    for (const object of kinds.flatMap(definitions)) await applyObject(object);
    for (const kind of kinds) await served(kind);
    await using _manager = startCertManager();
    await using _operator = startOperator();
    await createAuthority("clients");
    await createAuthority("peers");
    const by = (name: string) => ({ mode: "CertManager", issuerRef: { name } });
    const tls = { client: by("clients"), peer: by("peers") };
    await api.create(resources.etcdClusters, make("issued", { tls }));
    const cluster = await settled("issued", 1);
    const { status } = cluster;
    assert.equal(status?.tls?.peerHostname, "member.issued-peer.default.svc");
    for (const endpoint of status?.endpoints ?? [""]) assert.match(endpoint, /^https:/);

    const orders = (["client", "peer"] as const).flatMap((s) => leavesOf(cluster, s));
    for (const { secret, commonName, hosts, side } of orders) {
      const cert = await field(secret, "tls.crt");
      const facts = readCertificate(cert);
      assert.equal(facts.commonName, commonName);
      assert.deepEqual([...facts.hosts].map(plain).sort(), hosts.map(plain).sort(), secret);
      assert.ok(isIssuedBy(cert, await field(`${side}s-root`, "tls.crt")), secret);
    }
    assert.equal(
      await field("issued-client", "tls.crt"),
      await field("issued-client-tls", "tls.crt"),
    );

    const former = await field("issued-client-tls", "tls.crt");
    await api.delete(resources.secrets, "default", "issued-client-tls");
    const renewed = await until("another certificate of cert-manager", async () => {
      const cert = await fieldIfAny("issued-client-tls", "tls.crt");
      return cert !== former && cert;
    });
    await edit("issued", { repair: { automatic: true } }); // Secrets are not watched: this wakes it.
    await until("the copy of it", async () => {
      return (await field("issued-client", "tls.crt")) === renewed;
    });
    await api.delete(resources.etcdClusters, "default", "issued");
  });
}

/** Addresses are written in more than one way. */
const plain = (host: string): string => (host === "0:0:0:0:0:0:0:1" ? "::1" : host);

const fieldIfAny = async (secret: string, key: string): Promise<string | undefined> => {
  try {
    return await field(secret, key);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
};

const certificate = async (name: string): Promise<KubeObject | undefined> => {
  try {
    return await api.get(resources.certificates, "default", name);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
};

/** A definition that was taken is not answered at once: until then its paths are unknown. */
const served = (plural: string): Promise<boolean> =>
  until(`${plural} to be served`, async () => {
    try {
      await api.list({ ...resources.certificates, plural });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  });

/** An authority of cert-manager's making, in Secret `NAME-root`, and Issuer NAME that signs with it. */
async function createAuthority(name: string): Promise<void> {
  const issuers = { ...resources.certificates, kind: "Issuer", plural: "issuers" };
  const object = (kind: string, of: string, spec: object) =>
    ({
      ...{ apiVersion: "cert-manager.io/v1", kind },
      metadata: { name: of, namespace: "default" },
      spec,
    }) as KubeObject;
  await api.create(issuers, object("Issuer", `${name}-self`, { selfSigned: {} }));
  const root = {
    ...{ isCA: true, secretName: `${name}-root`, commonName: `${name} authority` },
    privateKey: { algorithm: "ECDSA", size: 256 },
    issuerRef: { name: `${name}-self` },
  };
  await api.create(resources.certificates, object("Certificate", `${name}-root`, root));
  const ca = { ca: { secretName: `${name}-root` } };
  await api.create(issuers, object("Issuer", name, ca));
}

/** e2e/tools/cert-manager, until it is disposed of. */
function startCertManager(): AsyncDisposable {
  const log = openSync(join(server.folder, "cert-manager.log"), "a");
  const args = [server.kubeconfig(admin)];
  const child = spawn(program ?? "", args, { stdio: ["ignore", log, log] });
  closeSync(log);
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  return {
    async [Symbol.asyncDispose]() {
      process.off("exit", kill);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      kill();
      await ended;
    },
  };
}

/** cert-manager's own module, fetched once by Go; a reason to skip where there is no Go. */
const folder = ((): string | undefined => {
  try {
    const cwd = new URL("../../e2e/tools/cert-manager", import.meta.url);
    const name = "github.com/cert-manager/cert-manager";
    execFileSync("go", ["mod", "download", name], { cwd, stdio: "ignore" });
    return execFileSync("go", ["list", "-m", "-f", "{{.Dir}}", name], {
      cwd,
      encoding: "utf8",
    }).trim();
  } catch {
    return undefined;
  }
})();
const noDefinition =
  folder === undefined ? "needs Go (https://go.dev/dl) to fetch cert-manager's definitions" : false;

function definitions(plural: string): KubeObject[] {
  const text = readFileSync(`${folder}/deploy/crds/cert-manager.io_${plural}.yaml`, "utf8");
  return parseAllDocuments(text)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { deniedFlags } from "../../src/operator/resources/index.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");
const crdText = read("crds/quoin.dev_etcdclusters.yaml");

const crdFiles = readdirSync(new URL("crds", root)).sort();

test("install.yaml holds the definitions and the operator's rights as they are", () => {
  const installed = read("manifests/install.yaml");
  for (const file of crdFiles) {
    assert.ok(installed.includes(read(`crds/${file}`)), `${file}: run bash manifests/build.sh`);
  }
  const indented = read("charts/quoin/rules.yaml").trim().replace(/^/gm, "  ");
  assert.ok(installed.includes(indented), "rules: run bash manifests/build.sh");
});

test("every definition outlives the chart that brought it", () => {
  for (const file of crdFiles) {
    const { annotations } = parse(read(`crds/${file}`)).metadata;
    assert.equal(annotations?.["helm.sh/resource-policy"], "keep", file);
  }
});

test("the CRD refuses exactly the flags the operator refuses", () => {
  const refused = [...crdText.matchAll(/matches\('\^--\(([a-z|-]+)\)/g)].flatMap(
    (m) => m[1]?.split("|") ?? [],
  );
  assert.deepEqual(refused.sort(), [...deniedFlags].sort());
});

test("the CRD has the fields of types/etcdcluster.ts", () => {
  const types = ["etcdcluster", "tls"].map((f) => read(`src/operator/types/${f}.ts`)).join("\n");
  const { spec, status } = parse(crdText).spec.versions[0].schema.openAPIV3Schema.properties;
  for (const [name, schema] of Object.entries({
    EtcdClusterSpec: spec,
    EtcdClusterStatus: status,
    EtcdOptions: spec.properties.etcdOptions,
    PodOptions: spec.properties.pod,
    ImageSpec: spec.properties.image,
    StorageSpec: spec.properties.storage,
    RepairOptions: spec.properties.repair,
    TlsOptions: spec.properties.tls,
    ClientTls: spec.properties.tls.properties.client,
    PeerTls: spec.properties.tls.properties.peer,
    IssuerRef: spec.properties.tls.properties.peer.properties.issuerRef,
    LatchedTls: status.properties.tls,
    Replacing: status.properties.replacing,
    MemberStatus: status.properties.members.items,
  })) {
    const body = new RegExp(`interface ${name} \\{([\\s\\S]*?)\\n\\}`).exec(types)?.[1] ?? "";
    const fields = [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((m) => m[1]);
    assert.deepEqual(fields.sort(), Object.keys(schema.properties).sort(), name);
  }
});

test("the manifests are valid YAML documents", () => {
  for (const path of ["manifests/install.yaml", "manifests/examples/quickstart.yaml"]) {
    for (const doc of parseAllDocuments(read(path))) assert.deepEqual(doc.errors, []);
  }
});

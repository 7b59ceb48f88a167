import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { textOf } from "../../src/operator/observe/index.ts";
import { annotationCopiedFrom } from "../../src/operator/resources/index.ts";
import type { Condition, Secret, TlsOptions } from "../../src/operator/types/index.ts";
import { run } from "./story.ts";
import { World } from "./world.ts";

const ref = (name: string) => ({ name });
const given = { mode: "Secret", secretRef: ref("web"), clientSecretRef: ref("admin") } as const;
const peer = { mode: "Secret", secretRef: ref("peers") } as const;
const withApps: TlsOptions = { client: { ...given, applicationSecretRef: ref("apps") }, peer };

let world: World;

const give = (name: string): void =>
  world.putSecret(world.issuer.issue(name, ["localhost", "*.a-peer.ns.svc"], world.nowMs));
const secret = (name: string): Secret => {
  const found = world.secrets.get(name);
  assert.ok(found, name);
  return found;
};
const fields = (name: string): string[] => Object.keys(secret(name).data ?? {}).sort();
const degraded = (): Condition | undefined =>
  world.cluster.status?.conditions?.find((c) => c.type === "Degraded");

/** What an operator made that knew no identity but its own. */
function formerCopy(): void {
  const { metadata, ...rest } = secret("a-client");
  const { [annotationCopiedFrom]: _, ...annotations } = metadata.annotations ?? {};
  const data = { ...secret("admin").data, endpoints: rest.data?.["endpoints"] ?? "" };
  world.secrets.delete("a-client");
  world.putSecret({
    ...rest,
    type: "kubernetes.io/tls",
    data,
    metadata: { ...metadata, annotations },
  });
}

beforeEach(() => {
  const tls: TlsOptions = { client: given, peer };
  world = new World("a", { replicas: 3, storage: { size: "1Gi" }, tls });
  for (const name of ["web", "admin", "peers"]) give(name);
  run(world, [], 400);
});

test("applications get ca.crt and endpoints where the spec names no certificate for them", () => {
  assert.deepEqual(fields("a-client"), ["ca.crt", "endpoints"]);
  assert.equal(secret("a-client").type, "Opaque");
  assert.equal(textOf(secret("a-client"), "ca.crt"), textOf(secret("admin"), "ca.crt"));
  assert.equal(degraded()?.status, "False");
  assert.match(
    degraded()?.message ?? "",
    /Secret a-client has no certificate: spec\.tls\.client\.applicationSecretRef names none/,
  );
});

test("applications get the certificate that is named for them, and lose it when it is named no more", () => {
  give("apps");
  world.edit({ tls: withApps });
  run(world);
  assert.equal(textOf(secret("a-client"), "tls.crt"), textOf(secret("apps"), "tls.crt"));
  assert.equal(textOf(secret("a-client"), "tls.key"), textOf(secret("apps"), "tls.key"));
  world.edit({ tls: { client: given, peer } });
  run(world);
  assert.deepEqual(fields("a-client"), ["ca.crt", "endpoints"]);
});

test("a copy that an older operator made of its own identity stays, is renewed, and is told", () => {
  formerCopy();
  run(world);
  assert.equal(textOf(secret("a-client"), "tls.crt"), textOf(secret("admin"), "tls.crt"));
  assert.equal(degraded()?.reason, "SharedIdentity");
  give("admin");
  run(world);
  assert.equal(textOf(secret("a-client"), "tls.crt"), textOf(secret("admin"), "tls.crt"));
  assert.equal(degraded()?.reason, "SharedIdentity");
  // As the message says.
  world.secrets.delete("a-client");
  run(world);
  assert.deepEqual(fields("a-client"), ["ca.crt", "endpoints"]);
  assert.equal(degraded()?.status, "False");
});

test("naming a certificate for applications ends an older operator's copy", () => {
  formerCopy();
  give("apps");
  world.edit({ tls: withApps });
  run(world);
  assert.equal(textOf(secret("a-client"), "tls.crt"), textOf(secret("apps"), "tls.crt"));
  assert.equal(degraded()?.status, "False");
  world.edit({ tls: { client: given, peer } });
  run(world);
  // A Secret of type kubernetes.io/tls must keep both fields.
  assert.equal(textOf(secret("a-client"), "tls.crt"), "");
  assert.equal(textOf(secret("a-client"), "tls.key"), "");
  assert.equal(degraded()?.status, "False");
});

test("the operator's certificate under another Secret's name is not given to applications", () => {
  world.putSecret({ ...secret("admin"), metadata: { name: "apps", namespace: "ns" } });
  world.edit({ tls: withApps });
  run(world);
  assert.deepEqual(fields("a-client"), ["ca.crt", "endpoints"]);
  assert.equal(degraded()?.reason, "SharedIdentity");
  assert.match(degraded()?.message ?? "", /give Secret apps another certificate than admin has/);
});

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { TlsContexts } from "../../src/tls/index.ts";
import { silent } from "../server/rig.ts";
import { authority, leaf, writePair, writeText } from "./certificates.ts";
import { files } from "./rig.ts";

test("expectName() has whoever is dialled show a certificate for that name", () => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-contexts-"));
  try {
    const ca = authority("ca");
    const domain = leaf(ca, { hosts: ["cluster.test"] });
    const trustedCaFile = writeText(folder, "ca.crt", ca.cert);
    const pair = writePair(folder, "member", domain);
    const contexts = new TlsContexts({ files: files({ ...pair, trustedCaFile }), logger: silent });
    const shown = { raw: new X509Certificate(domain.cert).raw };
    const problemAt = (host: string): Error | undefined => {
      const { checkServerIdentity } = contexts.dialOptions(host);
      return checkServerIdentity?.(host, shown as never);
    };
    assert.equal(contexts.dialOptions("a.test").servername, "a.test");
    assert.match(`${problemAt("10.0.0.1")}`, /not valid for 10\.0\.0\.1/);
    contexts.expectName("cluster.test");
    assert.equal(contexts.dialOptions("10.0.0.1").servername, "cluster.test");
    assert.equal(problemAt("10.0.0.1"), undefined);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Who else issues certificates in the model: a person, and cert-manager. */

import type { KubeObject, Secret } from "../../src/operator/types/index.ts";
import { issueLeaf, makeAuthority } from "../../src/pki/index.ts";

const yearMs = 365 * 86_400_000;
const base64 = (text: string): string => Buffer.from(text, "utf8").toString("base64");

export class Issuer {
  readonly #ca;

  constructor(nowMs: number) {
    const times = { notBefore: new Date(nowMs - 1), notAfter: new Date(nowMs + 10 * yearMs) };
    this.#ca = makeAuthority({ ...times, commonName: "somebody else's" });
  }

  /** A Secret with a certificate of 90 days for these names. */
  issue(name: string, hosts: readonly string[], nowMs: number): Secret {
    const leaf = issueLeaf(this.#ca, {
      notBefore: new Date(nowMs),
      notAfter: new Date(nowMs + 90 * 86_400_000),
      commonName: name,
      hosts,
      usages: ["server", "client"],
    });
    return {
      apiVersion: "v1",
      kind: "Secret",
      type: "kubernetes.io/tls",
      metadata: { name, namespace: "ns" },
      data: {
        "tls.crt": base64(leaf.cert),
        "tls.key": base64(leaf.key),
        "ca.crt": base64(this.#ca.cert),
      },
    };
  }

  /** What cert-manager makes of a Certificate. */
  fulfil(order: KubeObject, nowMs: number): Secret {
    const { secretName, dnsNames = [] } = order.spec as { secretName: string; dnsNames?: string[] };
    return this.issue(secretName, dnsNames, nowMs);
  }
}

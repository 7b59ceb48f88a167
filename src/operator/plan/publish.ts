/**
 * `<cluster>-client`, which applications mount, in the modes in which others issue: a copy of their own identity. The
 * operator's is never in it: who has that one may remove members, and with auth enabled is root.
 */
import type { ObservedSecret } from "../observe/index.ts";
import {
  clientEndpoints,
  clientSecretName,
  clientSourceName,
  operatorSecretName,
  tlsOf,
} from "../resources/index.ts";
import type { Facts } from "./facts.ts";
import { change, secretOf } from "./secrets.ts";
import type { Plan, Problem, SecretChange } from "./types.ts";

type Copy = Extract<SecretChange, { kind: "copy" }>["what"];

/** The next change of it; undefined when it is as it should be, or what it comes from is not there yet. */
export function publish(f: Facts): Plan | undefined {
  const { client } = tlsOf(f.cluster);
  if (client !== "CertManager" && client !== "Secret") return undefined;
  const own = operatorSecretName(f.cluster);
  const from = clientSourceName(f.cluster);
  if (from !== undefined) return isOperators(f, from) ? undefined : copy(f, from, "identity");
  return copy(f, own, isFormerCopy(published(f)) ? "former" : "authorities");
}

const published = (f: Facts): ObservedSecret | undefined =>
  secretOf(f, clientSecretName(f.cluster.metadata.name));

/**
 * Operators up to issue 5 copied their own identity when the spec named no other. What applications were given is not
 * taken from them while they run; a person is told.
 */
const isFormerCopy = (live: ObservedSecret | undefined): boolean =>
  live?.certificate !== undefined && live.copiedFrom === undefined;

/** Another name for the same certificate would share it all the same. */
function isOperators(f: Facts, name: string): boolean {
  const own = secretOf(f, operatorSecretName(f.cluster))?.certificate?.fingerprint;
  return own !== undefined && secretOf(f, name)?.certificate?.fingerprint === own;
}

function copy(f: Facts, from: string, what: Copy): Plan | undefined {
  const source = secretOf(f, from);
  if (source?.certificate === undefined) return undefined;
  const live = published(f);
  const wanted = what === "authorities" ? undefined : source.certificate.fingerprint;
  const isSame =
    live !== undefined &&
    live.certificate?.fingerprint === wanted &&
    live.trusted === source.trusted &&
    // A copy of before becomes one that names its source, be the certificate the same.
    (what === "former" || live.copiedFrom !== undefined);
  if (isSame) return undefined;
  const secret = clientSecretName(f.cluster.metadata.name);
  const endpoints = clientEndpoints(f.cluster);
  const text = what === "authorities" ? "ca.crt and endpoints, no certificate" : `from ${from}`;
  const step = { kind: "copy", secret, from, endpoints, what } as const;
  return change(step, live, `Secret ${secret} for clients, ${text}`);
}

/** What a person should change about it. */
export function publishedProblem(f: Facts): Problem | undefined {
  if (tlsOf(f.cluster).client !== "Secret") return undefined;
  const secret = clientSecretName(f.cluster.metadata.name);
  const own = operatorSecretName(f.cluster);
  const from = clientSourceName(f.cluster);
  if (from !== undefined && isOperators(f, from)) {
    const message = `give Secret ${from} another certificate than ${own} has: applications would get the operator's identity, so Secret ${secret} is not written`;
    return { reason: "SharedIdentity", message };
  }
  if (from !== undefined || !isFormerCopy(published(f))) return undefined;
  const message = `name the certificate of applications in spec.tls.client.applicationSecretRef: Secret ${secret}, which they mount, is a copy of the operator's identity ${own}, as an older operator made it. To give them ca.crt and endpoints alone, delete Secret ${secret}`;
  return { reason: "SharedIdentity", message };
}

/** For condition Degraded when nothing is wrong: that applications get no certificate is meant to be. */
export function publishedHint(f: Facts): string | undefined {
  const isMeant = tlsOf(f.cluster).client === "Secret" && clientSourceName(f.cluster) === undefined;
  if (!isMeant || isFormerCopy(published(f))) return undefined;
  const secret = clientSecretName(f.cluster.metadata.name);
  return `Secret ${secret} has no certificate: spec.tls.client.applicationSecretRef names none`;
}

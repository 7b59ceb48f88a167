/**
 * Certificates: authorities, leaves and the client's Secret, as they are due. What is done follows from the
 * certificates' own times alone, so that nothing about a rotation has to be remembered.
 */
import { parseDuration } from "../../lib/duration.ts";
import type { ObservedSecret } from "../observe/index.ts";
import {
  authorityDuration,
  authoritySecretName,
  buildCertificate,
  certificateDuration,
  clientEndpoints,
  clientSecretName,
  clientSourceName,
  covers,
  hasTls,
  isNamed,
  type LeafPlan,
  leafDigest,
  leavesOf,
  memberSecretName,
  operatorSecretName,
  peerHostname,
  type TlsSide,
  tlsOf,
} from "../resources/index.ts";
import { type Facts, stepPlan, stopPlan, waitPlan } from "./facts.ts";
import { publish, publishedProblem } from "./publish.ts";
import { change, faultOf, nowMs, reason, secretOf } from "./secrets.ts";
import type { Plan, Problem, SecretChange } from "./types.ts";

/**
 * From one step of an authority's rotation to the next: kubelets bring a changed Secret to a pod within two
 * minutes, but a client that reads its files at its start only has to be started again in this time.
 */
export const settleMs = 3_600_000;

const sides = ["client", "peer"] as const;

/** After Services and budget, before anything that needs members; nothing for a cluster without TLS. */
export function certificates(f: Facts): Plan | undefined {
  if (f.observed.tls === undefined) return undefined;
  for (const side of sides) {
    const mode = tlsOf(f.cluster)[side];
    const plan =
      mode === "Operator"
        ? (authority(f, side) ?? leaves(f, side))
        : mode === "CertManager"
          ? orders(f, side)
          : undefined;
    if (plan !== undefined) return plan;
  }
  return publish(f) ?? unusable(f) ?? latchPeerName(f);
}

/** Where a certificate is in its life: 0 is its first moment, 1 its last. */
function age(f: Facts, { certificate: c }: ObservedSecret): number {
  if (c === undefined) return 1;
  return (nowMs(f) - c.notBeforeMs) / Math.max(1, c.notAfterMs - c.notBeforeMs);
}

/** Two thirds of its life, or up to a tenth less: not everything that was made together is renewed together. */
function isDue(f: Facts, live: ObservedSecret): boolean {
  const part = Number.parseInt(live.certificate?.fingerprint.slice(0, 8) ?? "0", 16) / 2 ** 32;
  return age(f, live) >= 2 / 3 - part / 10;
}

/** A new authority has been in every ca.crt, beside the old ones, for long enough to sign. */
function isSettled(f: Facts, side: TlsSide, authority: ObservedSecret): boolean {
  if (authority.trustedCount <= 1) return true;
  return leavesOf(f.cluster, side).every((leaf) => {
    const live = secretOf(f, leaf.secret);
    const { trusted, trustedSinceMs = Number.POSITIVE_INFINITY } = live ?? {};
    return trusted === authority.trusted && nowMs(f) - trustedSinceMs >= settleMs;
  });
}

function authority(f: Facts, side: TlsSide): Plan | undefined {
  const secret = authoritySecretName(f.cluster.metadata.name, side);
  const live = secretOf(f, secret);
  const durationMs = parseDuration(authorityDuration(f.cluster)) ?? 0;
  const commonName = `${f.cluster.metadata.name} etcd ${side} authority`;
  const make = (trusted: string, why: string): Plan =>
    change({ kind: "authority", secret, commonName, durationMs, trusted }, live, why);
  const own = leavesOf(f.cluster, side).map((leaf) => secretOf(f, leaf.secret));
  if (live === undefined) {
    // Whoever was trusted stays so for a while: deleting the Secret is how a person asks for another authority.
    const before = own.find((s) => s !== undefined && s.trusted !== "")?.trusted ?? "";
    return make(before, `an authority for ${side}s in Secret ${secret}`);
  }
  if (live.certificate === undefined) return undefined; // Told by unusable().
  if (live.trustedCount <= 1) {
    if (!isDue(f, live)) return undefined;
    return make(live.trusted, `the next authority for ${side}s in Secret ${secret}`);
  }
  const { fingerprint } = live.certificate;
  const hasSettled = ({ notBeforeMs, notAfterMs }: { notBeforeMs: number; notAfterMs: number }) =>
    // Short-lived leaves never grow so old, least of all at the same time.
    nowMs(f) - notBeforeMs >= Math.min(settleMs, (notAfterMs - notBeforeMs) / 4);
  const isDone = own.every(
    (s) => s?.certificate !== undefined && s.issuer === fingerprint && hasSettled(s.certificate),
  );
  if (!isDone) return undefined;
  const message = `only the newest authority for ${side}s is trusted from now on`;
  return change({ kind: "retire", secret }, live, message);
}

function leaves(f: Facts, side: TlsSide): Plan | undefined {
  const signer = secretOf(f, authoritySecretName(f.cluster.metadata.name, side));
  if (signer?.certificate === undefined) return undefined;
  for (const leaf of leavesOf(f.cluster, side)) {
    const live = secretOf(f, leaf.secret);
    const why = whyIssue(f, leaf, live, signer);
    if (why !== undefined) return issue(f, leaf, live, signer, why);
    if (live !== undefined && live.trusted !== signer.trusted) {
      const trust = { kind: "trust", secret: leaf.secret, trusted: signer.trusted } as const;
      return change(trust, live, `Secret ${leaf.secret} gets the authorities to trust`);
    }
  }
  return undefined;
}

function whyIssue(
  f: Facts,
  leaf: LeafPlan,
  live: ObservedSecret | undefined,
  signer: ObservedSecret,
): string | undefined {
  if (live === undefined) return "there is none";
  if (live.certificate === undefined) return "what is there cannot be read";
  if (live.order !== leafDigest(f.cluster, leaf)) return "it is to say something else";
  if (age(f, live) >= 5 / 6) return "it runs out soon";
  if (!isSettled(f, leaf.side, signer)) return undefined;
  if (live.issuer !== signer.certificate?.fingerprint) return "there is another authority";
  return isDue(f, live) ? "two thirds of its time are over" : undefined;
}

function issue(
  f: Facts,
  leaf: LeafPlan,
  live: ObservedSecret | undefined,
  signer: ObservedSecret,
  why: string,
): Plan {
  const step: SecretChange = {
    kind: "leaf",
    secret: leaf.secret,
    authority: signer.name,
    signer: signer.certificate?.fingerprint ?? "",
    leaf,
    digest: leafDigest(f.cluster, leaf),
    durationMs: parseDuration(certificateDuration(f.cluster)) ?? 0,
    ...(leaf.secret === clientSecretName(f.cluster.metadata.name)
      ? { endpoints: clientEndpoints(f.cluster) }
      : {}),
  };
  return change(step, live, `a certificate in Secret ${leaf.secret}: ${why}`);
}

/** cert-manager's Certificates; their Secrets are its own. */
function orders(f: Facts, side: TlsSide): Plan | undefined {
  for (const leaf of leavesOf(f.cluster, side)) {
    const object = buildCertificate(f.cluster, leaf);
    const live = f.observed.tls?.certificates.get(leaf.secret);
    if (live !== undefined && covers(live, object)) continue;
    const message = `applying Certificate ${leaf.secret}`;
    return stepPlan({ kind: "apply", object, uid: live?.metadata.uid }, reason, message);
  }
  return undefined;
}

/** The Secrets without which nothing works: the members' own, and the operator's. */
const needed = (f: Facts): readonly string[] => [
  ...sides.filter((side) => hasTls(f.cluster, side)).map((s) => memberSecretName(f.cluster, s)),
  ...(hasTls(f.cluster, "client") ? [operatorSecretName(f.cluster)] : []),
];

/**
 * No member is begun before its certificates are there. Later only the operator's own is waited for: without it members
 * look silent, and silence must not pass for a loss.
 */
function unusable(f: Facts): Plan | undefined {
  const isFormed = f.status.clusterID !== undefined;
  const waited = isFormed ? [operatorSecretName(f.cluster)] : needed(f);
  const names = hasTls(f.cluster, "client") || !isFormed ? waited : [];
  const broken = brokenAuthority(f);
  const fault = broken ?? names.map((name) => faultOf(f, name)).find((text) => text !== undefined);
  if (fault === undefined || (isFormed && fault === broken)) return undefined;
  const isWaiting = !isFormed && tlsOf(f.cluster).client !== "Secret" && broken === undefined;
  const message = `${fault}: put it right, then the operator goes on`;
  if (!isWaiting) return stopPlan("CertificateUnusable", message, 5_000);
  return waitPlan("WaitingForCertificates", `waiting: ${fault}`, 2_000);
}

/** Pods that begin from now on ask it of their peers; those that run are not restarted for it. */
function latchPeerName(f: Facts): Plan | undefined {
  const { tls } = f.status;
  if (tls === undefined || !hasTls(f.cluster, "peer") || tls.peerHostname !== undefined) {
    return undefined;
  }
  if (peerNameFault(f) !== undefined) return undefined;
  const name = peerHostname(f.cluster);
  const message = `members' certificates are good for ${name}: it is asked of whoever comes to the peer port`;
  return stepPlan({ kind: "latch", set: { tls: { ...tls, peerHostname: name } } }, reason, message);
}

/** A given certificate without the names of members cannot be one of them. */
function peerNameFault(f: Facts): string | undefined {
  if (!hasTls(f.cluster, "peer")) return undefined;
  const secret = memberSecretName(f.cluster, "peer");
  const hosts = secretOf(f, secret)?.certificate?.hosts ?? [];
  const name = peerHostname(f.cluster);
  if (isNamed(hosts, name)) return undefined;
  return `Secret ${secret}: its certificate needs the name ${name.replace("member", "*")}, or members refuse each other`;
}

/** Whether the operator cannot ask the members for want of a certificate: their silence says nothing then. */
export const isBlind = (f: Facts): boolean =>
  f.observed.tls !== undefined &&
  hasTls(f.cluster, "client") &&
  faultOf(f, operatorSecretName(f.cluster)) !== undefined;

/** An authority nobody can sign with any more. */
function brokenAuthority(f: Facts): string | undefined {
  const { name } = f.cluster.metadata;
  for (const side of sides.filter((s) => tlsOf(f.cluster)[s] === "Operator")) {
    const secret = authoritySecretName(name, side);
    const live = secretOf(f, secret);
    if (live !== undefined && live.certificate === undefined) {
      return `Secret ${secret} needs tls.crt and tls.key that belong together, or delete it and another authority follows`;
    }
  }
  return undefined;
}

/** What a person should see to while everything still works. */
export function certificateProblem(f: Facts): Problem | undefined {
  if (f.observed.tls === undefined) return undefined;
  const source = tlsOf(f.cluster).client === "Secret" ? clientSourceName(f.cluster) : undefined;
  const given = [...needed(f), ...(source === undefined ? [] : [source])];
  const broken =
    brokenAuthority(f) ??
    given.map((n) => faultOf(f, n)).find((t) => t !== undefined) ??
    peerNameFault(f);
  if (broken !== undefined) return { reason: "CertificateUnusable", message: broken };
  for (const name of given) {
    const live = secretOf(f, name);
    if (live?.certificate === undefined || age(f, live) < 11 / 12) continue;
    const until = new Date(live.certificate.notAfterMs).toISOString();
    return { reason: "CertificateExpires", message: `renew Secret ${name}: it ends ${until}` };
  }
  return publishedProblem(f);
}

/** Those that the operator writes. */
export const ownSecrets = (f: Facts): readonly ObservedSecret[] => {
  const { name } = f.cluster.metadata;
  const names = sides
    .filter((side) => tlsOf(f.cluster)[side] === "Operator")
    .flatMap((side) => [
      authoritySecretName(name, side),
      ...leavesOf(f.cluster, side).map((leaf) => leaf.secret),
    ]);
  const all = new Set([...names, ...(hasTls(f.cluster, "client") ? [clientSecretName(name)] : [])]);
  return [...all].map((n) => secretOf(f, n)).filter((s) => s !== undefined);
};

/** Makes and changes the Secrets of certificates; private keys are in nobody's hands but here. */
import { assert, assertNever } from "../../lib/assert.ts";
import { issueLeaf, makeAuthority, readCertificate, splitBundle } from "../../pki/index.ts";
import { textOf } from "../observe/index.ts";
import type { SecretChange, Step } from "../plan/index.ts";
import {
  annotationCopiedFrom,
  annotationLeaf,
  annotationTrustedSince,
  clusterLabels,
  inNamespace,
} from "../resources/index.ts";
import { type KubeApi, resources } from "../runtime/index.ts";
import { controllerRef, type EtcdCluster, type Secret } from "../types/index.ts";

/** Clocks differ; a certificate that is not valid yet is refused. */
const backdateMs = 300_000;

/** Former authorities trusted beside a new one; more than one only where a person deletes Secret after Secret. */
const formerMax = 7;

/** What a change is made from. */
export interface SecretSources {
  /** The Secret as it is; absent when it is to be made. */
  readonly live?: Secret | undefined;
  /** The authority that signs, or the Secret that is copied. */
  readonly other?: Secret | undefined;
  readonly nowMs: number;
}

/** The Secret whose content the change needs, beside its own. */
export function otherSecret(change: SecretChange): string | undefined {
  if (change.kind === "leaf") return change.authority;
  return change.kind === "copy" ? change.from : undefined;
}

/**
 * Reads what the change needs, and writes the Secret in the version that was observed. Throws Conflict when it was
 * changed or made meanwhile, NotFound when what it comes from is gone.
 */
export async function changeSecret(
  api: KubeApi,
  cluster: EtcdCluster,
  step: Extract<Step, { kind: "secret" }>,
  nowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { namespace } = cluster.metadata;
  const get = (name: string) => api.get<Secret>(resources.secrets, namespace, name, signal);
  const other = otherSecret(step.change);
  const live = step.uid === undefined ? undefined : await get(step.change.secret);
  const sources = { live, other: other === undefined ? undefined : await get(other), nowMs };
  const object = buildSecret(cluster, step.change, sources);
  if (live === undefined) {
    await api.create(resources.secrets, object, signal);
    return;
  }
  const { uid, resourceVersion } = step;
  const metadata = { ...object.metadata, uid, resourceVersion };
  await api.replace(resources.secrets, { ...object, metadata } as Secret, signal);
}

/** The Secret as it is to be. Pure but for the keys it makes. */
export function buildSecret(
  cluster: EtcdCluster,
  change: SecretChange,
  { live, other, nowMs }: SecretSources,
): Secret {
  const type = live?.type ?? (holdsIdentity(change) ? "kubernetes.io/tls" : "Opaque");
  const fields = content(change, { live, other, nowMs });
  const isNews = fields["ca.crt"] !== textOf(live, "ca.crt");
  const now = new Date(nowMs).toISOString();
  const since = isNews ? { [annotationTrustedSince]: now } : {};
  return {
    apiVersion: "v1",
    kind: "Secret",
    type,
    metadata: {
      ...live?.metadata,
      name: change.secret,
      ...inNamespace(cluster),
      labels: { ...live?.metadata.labels, ...clusterLabels(cluster) },
      annotations: { ...live?.metadata.annotations, ...noteOf(change), ...since },
      ownerReferences: [controllerRef(cluster)],
    },
    data: { ...keptData(change, live), ...encoded(fields) },
  };
}

const holdsIdentity = (change: SecretChange): boolean =>
  change.kind !== "copy" || change.what !== "authorities";

function noteOf(change: SecretChange): Record<string, string> {
  if (change.kind === "leaf") return { [annotationLeaf]: change.digest };
  const isNoted = change.kind === "copy" && change.what !== "former";
  return isNoted ? { [annotationCopiedFrom]: change.from } : {};
}

/** An identity that is not to be there any more goes; a Secret of type tls cannot be without its two fields. */
function keptData(change: SecretChange, live: Secret | undefined): Record<string, string> {
  if (holdsIdentity(change)) return { ...live?.data };
  const { "tls.crt": _cert, "tls.key": _key, ...kept } = live?.data ?? {};
  return live?.type === "kubernetes.io/tls" ? { ...kept, "tls.crt": "", "tls.key": "" } : kept;
}

const encoded = (fields: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(fields).map(([k, v]) => [k, Buffer.from(v, "utf8").toString("base64")]),
  );

function content(
  change: SecretChange,
  { live, other, nowMs }: SecretSources,
): Record<string, string> {
  const times = (durationMs: number) => ({
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + durationMs),
  });
  switch (change.kind) {
    case "authority": {
      const { commonName } = change;
      const made = makeAuthority({ ...times(change.durationMs), commonName });
      const trusted = splitBundle(change.trusted).slice(0, formerMax).join("");
      return { "tls.crt": made.cert, "tls.key": made.key, "ca.crt": made.cert + trusted };
    }
    case "retire":
      return { "ca.crt": splitBundle(textOf(live, "tls.crt"))[0] ?? "" };
    case "trust":
      return { "ca.crt": change.trusted };
    case "leaf": {
      assert(other !== undefined, "an authority that signs");
      const signer = { cert: textOf(other, "tls.crt"), key: textOf(other, "tls.key") };
      if (readCertificate(signer.cert).fingerprint !== change.signer) {
        throw new Error(`the authority in ${change.authority} has changed: looking again`);
      }
      const { commonName, hosts, usages } = change.leaf;
      const made = issueLeaf(signer, { ...times(change.durationMs), commonName, hosts, usages });
      return {
        "tls.crt": made.cert,
        "tls.key": made.key,
        "ca.crt": textOf(other, "ca.crt"),
        ...(change.endpoints === undefined ? {} : { endpoints: change.endpoints }),
      };
    }
    case "copy": {
      const shared = { "ca.crt": textOf(other, "ca.crt"), endpoints: change.endpoints };
      if (!holdsIdentity(change)) return shared;
      const [cert, key] = [textOf(other, "tls.crt"), textOf(other, "tls.key")];
      return { ...shared, "tls.crt": cert, "tls.key": key };
    }
    default:
      return assertNever(change);
  }
}

import { randomBytes } from "node:crypto";
import { BackupError } from "./types.ts";

/**
 * Names of what a backup stores, below a destination's prefix or folder:
 *
 *   <namespace>/<cluster>/<yyyymmdd>T<hhmmss>Z-<8 hex>.db[.gz|.zst]   the snapshot
 *   <the same>.manifest.json                                        its manifest
 *
 * The time is UTC, so that names sort by age. The random part keeps two runs of one second apart: no
 * name is ever used twice, which matters where a storage cannot refuse to overwrite.
 */
export interface ArtifactName {
  readonly namespace: string;
  readonly cluster: string;
  /** Whole seconds. */
  readonly timeMs: number;
  readonly compression: "none" | "gzip" | "zstd";
}

const endings = { none: ".db", gzip: ".db.gz", zstd: ".db.zst" } as const;
const manifestEnding = ".manifest.json";
const keyPattern =
  /^([a-z0-9.-]+)\/([a-z0-9.-]+)\/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]{8}(\.db(?:\.gz|\.zst)?)$/;

/** A new key for an artefact, unlike any other. */
export function artifactKey(name: ArtifactName): string {
  const time = new Date(name.timeMs).toISOString().replace(/[-:]|\.\d+/g, "");
  const unique = randomBytes(4).toString("hex");
  return `${clusterPrefix(name.namespace, name.cluster)}${time}-${unique}${endings[name.compression]}`;
}

/** Below this lies everything of one cluster. */
export const clusterPrefix = (namespace: string, cluster: string): string =>
  `${namespace}/${cluster}/`;

/** What an artefact's key says; undefined for anything else, manifests too. */
export function parseArtifactKey(key: string): ArtifactName | undefined {
  const [, namespace, cluster, year, month, day, hour, minute, second, ending] =
    keyPattern.exec(key) ?? [];
  if (namespace === undefined || cluster === undefined) return undefined;
  const timeMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  const compression = (["none", "gzip", "zstd"] as const).find((it) => endings[it] === ending);
  if (Number.isNaN(timeMs) || compression === undefined) return undefined;
  return { namespace, cluster, timeMs, compression };
}

export const manifestKey = (artifact: string): string => artifact + manifestEnding;

/** The artefact a manifest's key belongs to; undefined for other keys. */
export const artifactOfManifest = (key: string): string | undefined =>
  key.endsWith(manifestEnding) ? key.slice(0, -manifestEnding.length) : undefined;

/** Of S3; a folder's own limit is higher. */
const keyBytesMax = 1024;
const partBytesMax = 255;
/** Begins the names of unfinished files; no key may. */
export const temporaryStart = ".quoin-part-";

/**
 * Refuses keys that would leave their folder, name an unfinished file, or fit no storage. Throws
 * BackupError InvalidConfig.
 */
export function assertKey(key: string): void {
  const why = faultOf(key);
  if (why === undefined) return;
  throw new BackupError(
    "InvalidConfig",
    `The key ${JSON.stringify(key.slice(0, 200))} ${why}. Nothing was read or written; ` +
      `give a key as a backup's status shows it, without the bucket, prefix or volume.`,
  );
}

function faultOf(key: string): string | undefined {
  if (Buffer.byteLength(key) > keyBytesMax) return `has more than ${keyBytesMax} bytes`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for.
  if (/[\u0000-\u001f\u007f]/.test(key)) return "has control characters";
  for (const part of key.split("/")) {
    if (part === "") return "is empty, or begins, ends or doubles with /";
    if (part === "." || part === "..") return `has a part "${part}"`;
    if (Buffer.byteLength(part) > partBytesMax) return `has a part of over ${partBytesMax} bytes`;
    if (part.startsWith(temporaryStart)) return "names an unfinished file";
  }
  return undefined;
}

/** As assertKey, for the start of keys: empty, or ends anywhere in one. */
export function assertPrefix(prefix: string): void {
  if (prefix !== "") assertKey(prefix.endsWith("/") ? prefix.slice(0, -1) : prefix);
}

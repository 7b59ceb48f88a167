/** Manifests: what is known of an artefact, in the storage beside it. */
import { manifestKey } from "./keys.ts";
import { BackupError, type Destination, type Manifest } from "./types.ts";

/** Far more than a manifest has; larger objects are none. */
export const manifestBytesMax = 64 * 1024;

/**
 * Stands in a manifest's place while there is no whole artefact: before one is stored, and while one is
 * deleted. It promises nothing, yet says whose the key is, so that a run that died there can be cleaned up
 * after. Other formats protect what they stand for, so an older Quoin leaves it alone.
 */
export interface Claim {
  readonly format: "quoin-backup-claim/v1";
  readonly key: string;
  readonly state: "storing" | "deleting";
  readonly lineage: string;
  /** RFC 3339. */
  readonly since: string;
}

export const encodeManifest = (manifest: Manifest | Claim): Uint8Array =>
  Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);

export const writeManifest = (destination: Destination, manifest: Manifest): Promise<void> =>
  destination.writeSmall(manifestKey(manifest.key), encodeManifest(manifest));

/** Says that `key` is about to be stored, or deleted, by this lineage. */
export function writeClaim(
  destination: Destination,
  claim: Omit<Claim, "format" | "since">,
  nowMs: number,
): Promise<void> {
  const since = new Date(nowMs).toISOString();
  const bytes = encodeManifest({ format: "quoin-backup-claim/v1", ...claim, since });
  return destination.writeSmall(manifestKey(claim.key), bytes);
}

export type FoundManifest =
  | {
      readonly kind: "manifest";
      readonly manifest: Manifest;
      /** It has fields of a later Quoin, which may mean that it is not to be deleted. */
      readonly hasMore: boolean;
    }
  | { readonly kind: "claim"; readonly claim: Claim }
  | { readonly kind: "absent" }
  /** Of a later format, or no manifest at all. */
  | { readonly kind: "unreadable"; readonly why: string };

/** The manifest of the artefact `key`. Rejects only when the storage does not answer. */
export async function readManifest(destination: Destination, key: string): Promise<FoundManifest> {
  const at = manifestKey(key);
  const bytes = await readOrTooLarge(destination, at);
  if (bytes === undefined) return { kind: "absent" };
  if (bytes === "tooLarge") return unreadable(key, "it is too large");
  return parseManifest(bytes, key);
}

async function readOrTooLarge(destination: Destination, key: string) {
  try {
    return await destination.readSmall(key, manifestBytesMax);
  } catch (error) {
    if (error instanceof BackupError && error.code === "InvalidSnapshot") return "tooLarge";
    throw error;
  }
}

const unreadable = (key: string, why: string): FoundManifest => ({
  kind: "unreadable",
  why: `${manifestKey(key)} is no manifest of ${key} that this Quoin can read: ${why}`,
});

/** What the bytes beside the artefact `key` say. */
export function parseManifest(bytes: Uint8Array, key: string): FoundManifest {
  const fields = parseObject(bytes);
  if (fields === undefined) return unreadable(key, "it is no JSON object");
  const format = fields["format"];
  const shape = typeof format === "string" ? shapes.get(format) : undefined;
  if (shape === undefined) {
    return unreadable(key, `its format is ${JSON.stringify(format)?.slice(0, 60)}`);
  }
  const wrong = wrongField(fields, shape);
  if (wrong !== undefined) return unreadable(key, `its field ${wrong} is missing or odd`);
  if (fields["key"] !== key) return unreadable(key, "it is of another key");
  if (shape === claimShape) return { kind: "claim", claim: fields as unknown as Claim };
  const hasMore = Object.keys(fields).some((name) => !(name in shape));
  return { kind: "manifest", manifest: fields as unknown as Manifest, hasMore };
}

type Fields = Readonly<Record<string, unknown>>;

function parseObject(bytes: Uint8Array): Fields | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a field's value, undefined where it is absent, is what it should be. */
type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Check>>;

const is =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === "string" && value.length <= 1024 && pattern.test(value);
const text = is(/^[^\n]+$/);
const named = is(/^[a-z0-9.-]+\/[a-z0-9.-]+$/);
const timeText = is(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
const time: Check = (value) => timeText(value) && !Number.isNaN(Date.parse(value as string));
const upTo =
  (most: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
const count = upTo(Number.MAX_SAFE_INTEGER);
const absentOr =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const objectOf =
  (shape: Shape): Check =>
  (value) =>
    isObject(value) && wrongField(value, shape) === undefined;

function wrongField(fields: Fields, shape: Shape): string | undefined {
  return Object.keys(shape).find((name) => shape[name]?.(fields[name]) !== true);
}

const claimShape: Shape = {
  format: text,
  key: text,
  state: is(/^(storing|deleting)$/),
  lineage: text,
  since: time,
};

const manifestShape: Shape = {
  format: text,
  key: text,
  cluster: objectOf({ namespace: text, name: text, clusterID: is(/^[0-9a-f]{1,16}$/) }),
  lineage: text,
  backup: named,
  schedule: absentOr(named),
  compression: is(/^(none|gzip|zstd)$/),
  sizeBytes: count,
  sha256: is(/^[0-9a-f]{64}$/),
  snapshotBytes: count,
  revision: count,
  compactRevision: (value) => value === -1 || count(value),
  hashKV: upTo(0xffff_ffff),
  quoinVersion: text,
  possiblyStale: (value) => typeof value === "boolean",
  startTime: time,
  completionTime: time,
  verified: absentOr(objectOf({ kind: is(/^(Checksum|Restore)$/), time })),
};

const shapes: ReadonlyMap<string, Shape> = new Map([
  ["quoin-backup/v1", manifestShape],
  ["quoin-backup-claim/v1", claimShape],
]);

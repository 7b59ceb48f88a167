/** Version arithmetic of etcd (server/etcdserver/version, go-semver): numbers only. */
export interface SemVer {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** The etcd release whose behaviour we have; clients, peers and tools decide by it. */
export const serverVersion = "3.7.3";
/** The lowest cluster version this release may join. */
export const minClusterVersion = "3.0.0";

/** Parses `X.Y.Z`, with an optional pre-release or build tail that is ignored. */
export function parseVersion(text: string): SemVer | undefined {
  const m = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+].*)?$/.exec(text);
  if (m === null) return undefined;
  return { major: Number(m[1]), minor: Number(m[2]), patch: Number(m[3]) };
}

export const formatVersion = (v: SemVer): string => `${v.major}.${v.minor}.${v.patch}`;

/** Negative, zero or positive as a is below, equal to or above b. */
export const compareVersions = (a: SemVer, b: SemVer): number =>
  a.major - b.major || a.minor - b.minor || a.patch - b.patch;

/** As compareVersions, on major and minor only. */
export const compareMajorMinor = (a: SemVer, b: SemVer): number =>
  a.major - b.major || a.minor - b.minor;

/** A downgrade job (version.DowngradeInfo); `targetVersion` is `X.Y.0`, empty when there is none. */
export interface Downgrade {
  readonly enabled: boolean;
  readonly targetVersion: string;
}

export const noDowngrade: Downgrade = { enabled: false, targetVersion: "" };

/** The only version to go down to: one minor below. */
export function downgradeTarget(from: string): string | undefined {
  const v = parseVersion(from);
  return v === undefined ? undefined : `${v.major}.${v.minor - 1}.0`;
}

/** `X.Y` or `X.Y.Z` as `X.Y.0`; undefined when it is neither. */
export function parseTargetVersion(text: string): string | undefined {
  const v = parseVersion(text) ?? parseVersion(`${text}.0`);
  return v === undefined ? undefined : majorMinor(v);
}

/** Whether all of these servers have the minor of the target: the downgrade is done. */
export const haveVersion = (
  target: string,
  serverVersions: readonly (string | undefined)[],
): boolean =>
  serverVersions.every((text) => {
    const v = text === undefined ? undefined : parseVersion(text);
    return v !== undefined && majorMinor(v) === target;
  });

/**
 * The cluster version the leader should propose now (version/monitor.go), as `X.Y.0`, or
 * undefined for no change. `serverVersions` holds one entry per member, undefined where the
 * member could not be asked; then an undecided cluster starts at the minimum and a decided one
 * stays. While a downgrade job runs the cluster goes to its target, if that is one minor below it and
 * below every member.
 */
export function decideClusterVersion(
  current: string | undefined,
  serverVersions: readonly (string | undefined)[],
  downgrade: Downgrade = noDowngrade,
): string | undefined {
  const minimal = minimalVersion(serverVersions);
  if (current === undefined) {
    return minimal === undefined ? minClusterVersion : majorMinor(minimal);
  }
  const now = parseVersion(current);
  if (minimal === undefined || now === undefined) return undefined;
  if (downgrade.enabled) {
    const target = downgrade.targetVersion;
    const valid = [current, formatVersion(minimal)].every((v) => downgradeTarget(v) === target);
    return valid ? target : undefined;
  }
  if (now.major !== minimal.major || compareMajorMinor(now, minimal) >= 0) return undefined;
  return majorMinor(minimal);
}

/**
 * Whether this server may join a running cluster, by the cluster versions its members report:
 * at least one is known, and none lies outside [3.0, our major.minor].
 */
export function isCompatibleWithCluster(clusterVersions: readonly (string | undefined)[]): boolean {
  const low = parseVersion(minClusterVersion) as SemVer;
  const high = parseVersion(serverVersion) as SemVer;
  let known = false;
  for (const text of clusterVersions) {
    const v = text === undefined ? undefined : parseVersion(text);
    if (v === undefined) continue;
    if (compareMajorMinor(v, low) < 0 || compareMajorMinor(v, high) > 0) return false;
    known = true;
  }
  return known;
}

function minimalVersion(texts: readonly (string | undefined)[]): SemVer | undefined {
  let minimal: SemVer | undefined;
  for (const text of texts) {
    const v = text === undefined ? undefined : parseVersion(text);
    if (v === undefined) return undefined;
    if (minimal === undefined || compareVersions(v, minimal) < 0) minimal = v;
  }
  return minimal;
}

const majorMinor = (v: SemVer): string => `${v.major}.${v.minor}.0`;

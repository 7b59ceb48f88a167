/** URIs and flags of storages, as the fields of EtcdBackup and EtcdRestore. */
import type { BackupDestination, RestoreLocation } from "../operator/types/index.ts";
import type { Flags } from "./command-line.ts";

interface Place {
  readonly scheme: "s3" | "pvc";
  /** Bucket or claim. */
  readonly holder: string;
  /** What follows, without slashes around it. */
  readonly path: string;
}

function parsePlace(flag: string, uri: string): Place {
  const [, scheme, holder, path = ""] = /^(s3|pvc):\/\/([^/]+)(?:\/(.*))?$/.exec(uri) ?? [];
  if (scheme === undefined || holder === undefined) {
    throw new TypeError(`set ${flag} to s3://BUCKET/... or pvc://CLAIM/...; it is "${uri}"`);
  }
  const isS3 = scheme === "s3";
  return { scheme: isS3 ? "s3" : "pvc", holder, path: path.replace(/^\/+|\/+$/g, "") };
}

/** `--to`: the folder or prefix under which backups are kept. */
export function destinationOf(uri: string, flags: Flags): BackupDestination {
  const { scheme, holder, path } = parsePlace("--to", uri);
  if (scheme === "pvc") {
    return { pvc: { claimName: holder, ...(path === "" ? {} : { subPath: path }) } };
  }
  return { s3: { bucket: holder, ...(path === "" ? {} : { prefix: path }), ...s3Options(flags) } };
}

/** `--location`: one stored object. */
export function locationOf(uri: string, flags: Flags): RestoreLocation {
  const { scheme, holder, path } = parsePlace("--location", uri);
  if (path === "") throw new TypeError(`add the object's key to --location=${uri}`);
  if (scheme === "pvc") return { pvc: { claimName: holder }, key: path };
  return { s3: { bucket: holder, ...s3Options(flags) }, key: path };
}

function s3Options(flags: Flags) {
  const endpoint = flags["s3-endpoint"];
  const region = flags["s3-region"];
  const credentials = flags["s3-credentials"];
  const ca = flags["s3-ca"];
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(flags["s3-force-path-style"] ? { forcePathStyle: true } : {}),
    ...(credentials === undefined ? {} : { credentialsSecretRef: { name: credentials } }),
    ...(ca === undefined ? {} : { caSecretRef: { name: ca } }),
  };
}

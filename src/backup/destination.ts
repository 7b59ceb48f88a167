import { BackupError, type Destination } from "./types.ts";

/** Where artefacts lie. Secrets are no part of it: they come by the environment or a mount. */
export type DestinationOptions =
  | {
      readonly kind: "directory";
      /** Absolute path, in a mounted volume. It is made when something is written. */
      readonly directory: string;
      /** How people call it, pvc://claim/subPath; default file://<directory>. */
      readonly uri?: string;
    }
  | {
      readonly kind: "s3";
      readonly bucket: string;
      /** In front of every key; without slashes at its ends. */
      readonly prefix?: string;
      /** URL of an S3-compatible server; absent: AWS. */
      readonly endpoint?: string;
      /** Default AWS_REGION, then us-east-1, which servers that have no regions expect. */
      readonly region?: string;
      /** Bucket in the path and not in the host's name. Default: whenever there is an endpoint. */
      readonly forcePathStyle?: boolean;
      /** PEM file of the CAs that the endpoint's certificate may be from. */
      readonly caFile?: string;
    };

/** Every flag that destinationFrom reads, without its dashes. */
export const destinationFlags = [
  "directory",
  "directory-uri",
  "s3-bucket",
  "s3-prefix",
  "s3-endpoint",
  "s3-region",
  "s3-force-path-style",
  "s3-ca-file",
] as const;

/** Flags by name, without dashes; "true" for one that was given without a value. */
export type FlagValues = ReadonlyMap<string, string>;

/** Reads the flags of a destination. Throws BackupError InvalidConfig. */
export function destinationFrom(flags: FlagValues): DestinationOptions {
  const value = (name: (typeof destinationFlags)[number]) => flags.get(name) || undefined;
  const isS3 = destinationFlags.some((name) => name.startsWith("s3-") && value(name));
  const directory = value("directory");
  if (directory !== undefined && isS3) {
    throw invalid("--directory and --s3-... name two destinations; give one of them");
  }
  if (directory !== undefined) {
    if (!directory.startsWith("/")) {
      throw invalid(`--directory=${directory} is no absolute path`);
    }
    const uri = value("directory-uri");
    return { kind: "directory", directory, ...(uri && { uri }) };
  }
  const bucket = value("s3-bucket");
  if (bucket === undefined) {
    throw invalid("no destination; give --directory=PATH or --s3-bucket=NAME");
  }
  const prefix = value("s3-prefix")?.replace(/^\/+|\/+$/g, "");
  const endpoint = value("s3-endpoint");
  if (endpoint !== undefined) checkEndpoint(endpoint);
  const region = value("s3-region");
  const pathStyle = value("s3-force-path-style");
  if (pathStyle !== undefined && pathStyle !== "true" && pathStyle !== "false") {
    throw invalid(`--s3-force-path-style=${pathStyle} is neither true nor false`);
  }
  const caFile = value("s3-ca-file");
  return {
    kind: "s3",
    bucket,
    ...(prefix && { prefix }),
    ...(endpoint && { endpoint }),
    ...(region && { region }),
    ...(pathStyle && { forcePathStyle: pathStyle === "true" }),
    ...(caFile && { caFile }),
  };
}

function checkEndpoint(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw invalid(`--s3-endpoint=${text} is no URL such as https://s3.example.com:9000`);
  }
  // The URL is shown in logs and statuses.
  if (url.username !== "" || url.password !== "") {
    throw invalid(
      "--s3-endpoint holds a user name or password; put the credentials into the Secret that " +
        "credentialsSecretRef names",
    );
  }
}

const invalid = (message: string) => new BackupError("InvalidConfig", `${message}.`);

/**
 * Opens a destination; nothing is asked of it yet. Once `signal` aborts, whatever runs on it rejects with
 * BackupError Interrupted; only what cleans up still works: ObjectWriter.abort(), delete() and close(). Each kind's code is loaded
 * when it is asked for: the SDK of S3 is large.
 */
export async function openDestination(
  options: DestinationOptions,
  signal?: AbortSignal,
): Promise<Destination> {
  if (options.kind === "directory") {
    const { DirectoryDestination } = await import("./directory.ts");
    return new DirectoryDestination(options, signal);
  }
  const { S3Destination } = await import("./s3.ts");
  return new S3Destination(options, signal);
}

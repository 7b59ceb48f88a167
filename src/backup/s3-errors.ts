import { codeOf } from "./system-errors.ts";
import { BackupError } from "./types.ts";

/** What the SDK's errors have in common; more is not relied on. */
interface SdkError {
  readonly name: string;
  readonly message: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** Where it happened, for people. */
export interface S3Place {
  readonly bucket: string;
  /** Undefined: AWS. */
  readonly endpoint: string | undefined;
}

const deniedNames = new Set([
  "AccessDenied",
  "AccountProblem",
  "AllAccessDisabled",
  "CredentialsProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "Forbidden",
  "InvalidAccessKeyId",
  "InvalidClientTokenId",
  "InvalidIdentityToken",
  "InvalidSecurity",
  "InvalidToken",
  "NotSignedUp",
  "RequestTimeTooSkewed",
  "SignatureDoesNotMatch",
  "TokenRefreshRequired",
  "UnrecognizedClientException",
  "XAdminUserNotFound",
]);
/** Of AWS, MinIO, Ceph, versitygw. */
const fullNames = new Set([
  "InsufficientStorage",
  "NoSpaceLeftOnDevice",
  "QuotaExceeded",
  "StorageFull",
  "XMinioAdminBucketQuotaExceeded",
  "XMinioStorageFull",
]);
const wrongNames = new Set([
  "AuthorizationHeaderMalformed",
  "IllegalLocationConstraintException",
  "InvalidBucketName",
  "PermanentRedirect",
]);
const busyNames = new Set([
  "BadDigest",
  "ConditionalRequestConflict",
  "IncompleteBody",
  "InternalError",
  "OperationAborted",
  "RequestTimeout",
  "ServiceUnavailable",
  "SlowDown",
  "Throttling",
  "ThrottlingException",
  "TimeoutError",
  "TooManyRequests",
  "XAmzContentSHA256Mismatch",
]);
const networkCodes = new Set([
  "EAI_AGAIN",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "ENETDOWN",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "ERR_STREAM_PREMATURE_CLOSE",
  "HPE_INVALID_CONSTANT",
]);
const certificateCodes =
  /^(CERT_|ERR_TLS_CERT|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA)/;

/** The status of an answer; undefined when there was none. */
export const statusOf = (error: unknown): number | undefined =>
  (error as Partial<SdkError> | null)?.$metadata?.httpStatusCode;

/** Answers about an object that is not there. HEAD's has no body, hence no code; other things give 404 too. */
const absentNames = new Set(["NoSuchKey", "NotFound"]);
export const isAbsent = (error: unknown): boolean => absentNames.has(nameOf(error));

export const nameOf = (error: unknown): string =>
  error instanceof Error ? error.name : String(error);

/**
 * What an error of the SDK means to whoever runs the backup. `doing` completes "could not ...". A
 * BackupError stays as it is. Only name and message are shown: what else the SDK attaches holds headers.
 */
export function s3Error(error: unknown, doing: string, place: S3Place): BackupError {
  if (error instanceof BackupError) return error;
  const name = nameOf(error);
  const where = `Bucket ${place.bucket} at ${place.endpoint ?? "AWS"}`;
  const what = `${where} could not ${doing}: ${described(error, name)}.`;
  const { code, transient, advice } = classify(name, codeOf(error) ?? "", statusOf(error));
  return new BackupError(code, `${what} Earlier backups are untouched. ${advice}`, transient);
}

interface Verdict {
  readonly code: BackupError["code"];
  readonly transient: boolean;
  readonly advice: string;
}

const verdict = (code: Verdict["code"], advice: string, transient = false): Verdict => ({
  code,
  transient,
  advice,
});

function classify(name: string, code: string, status: number | undefined): Verdict {
  // Ceph and versitygw answer 403 when a quota is used up.
  if (fullNames.has(name) || status === 507) {
    return verdict(
      "DestinationFull",
      "Give the storage or its quota more room, or keep fewer backups by the schedule's retention.",
    );
  }
  if (name === "NoSuchBucket") {
    return verdict("BucketMissing", "Make the bucket, or mend the destination's name of it.");
  }
  if (wrongNames.has(name) || status === 301) {
    return verdict("InvalidConfig", "Mend region, bucket or endpoint of the destination.");
  }
  if (name === "RequestTimeTooSkewed") {
    return verdict("AccessDenied", "Set the clock of the node or of the storage right.");
  }
  if (deniedNames.has(name) || status === 401 || status === 403) {
    return verdict(
      "AccessDenied",
      "See that the Secret of credentialsSecretRef holds a valid AWS_ACCESS_KEY_ID and " +
        "AWS_SECRET_ACCESS_KEY, or that the Job's ServiceAccount has an identity of the cloud, and that " +
        "it may list, get, put and delete below the prefix.",
    );
  }
  if (name === "NoSuchUpload") {
    return verdict(
      "DestinationFailed",
      "Somebody ended the unfinished upload (another run's sweep, a lifecycle rule); run it again.",
      true,
    );
  }
  if (absentNames.has(name)) {
    return verdict("ArtifactMissing", "See that bucket, prefix and key are right.");
  }
  if (certificateCodes.test(code)) {
    return verdict(
      "DestinationUnreachable",
      "The endpoint's certificate is not trusted: put its CA into the Secret of caSecretRef, and see " +
        "that the certificate names the endpoint's host.",
    );
  }
  if (code === "EPROTO" || code === "ERR_SSL_WRONG_VERSION_NUMBER") {
    return verdict("DestinationUnreachable", "See whether the endpoint is http:// or https://.");
  }
  const isBusy = busyNames.has(name) || (status !== undefined && status >= 500 && status !== 501);
  if (isBusy || status === 429 || networkCodes.has(code)) {
    return verdict(
      "DestinationUnreachable",
      "See that the endpoint is right, and that it is up and reachable from the Job's pod.",
      true,
    );
  }
  return verdict("DestinationFailed", "See what the storage's own log says.");
}

function described(error: unknown, name: string): string {
  const message = error instanceof Error ? error.message : "";
  // Answers to HEAD have no words, and the SDK then says "UnknownError".
  const words = message === "" || message === "UnknownError" ? "" : `: ${message}`;
  const status = statusOf(error);
  return `${name}${status === undefined ? "" : ` (HTTP ${status})`}${words}`
    .replace(/\s+/g, " ")
    .replace(/\.$/, "")
    .slice(0, 300);
}

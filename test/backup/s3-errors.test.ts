import assert from "node:assert/strict";
import { test } from "node:test";
import { s3Error } from "../../src/backup/s3-errors.ts";
import { partBytesFor } from "../../src/backup/s3-upload.ts";
import { BackupError } from "../../src/backup/types.ts";

interface Like {
  readonly name?: string;
  readonly code?: string;
  readonly status?: number;
}

function mapped({ name = "Error", code, status }: Like): BackupError {
  const error = Object.assign(new Error("words"), {
    name,
    ...(code !== undefined && { code }),
    ...(status !== undefined && { $metadata: { httpStatusCode: status } }),
  });
  return s3Error(error, "store k", { bucket: "b", endpoint: "http://s3" });
}

const cases: readonly (readonly [Like, BackupError["code"], boolean])[] = [
  [{ name: "AccessDenied", status: 403 }, "AccessDenied", false],
  [{ name: "InvalidAccessKeyId", status: 403 }, "AccessDenied", false],
  [{ name: "SignatureDoesNotMatch", status: 403 }, "AccessDenied", false],
  [{ name: "CredentialsProviderError" }, "AccessDenied", false],
  [{ name: "ExpiredToken", status: 400 }, "AccessDenied", false],
  [{ name: "403", status: 403 }, "AccessDenied", false],
  [{ name: "NoSuchBucket", status: 404 }, "BucketMissing", false],
  [{ name: "NoSuchKey", status: 404 }, "ArtifactMissing", false],
  [{ name: "NotFound", status: 404 }, "ArtifactMissing", false],
  [{ name: "XAdminUserNotFound", status: 404 }, "AccessDenied", false],
  [{ name: "NoSuchWebsiteConfiguration", status: 404 }, "DestinationFailed", false],
  [{ name: "PermanentRedirect", status: 301 }, "InvalidConfig", false],
  [{ name: "XMinioStorageFull", status: 507 }, "DestinationFull", false],
  [{ name: "QuotaExceeded", status: 403 }, "DestinationFull", false],
  [{ name: "Unknown", status: 507 }, "DestinationFull", false],
  [{ name: "SlowDown", status: 503 }, "DestinationUnreachable", true],
  [{ name: "InternalError", status: 500 }, "DestinationUnreachable", true],
  [{ name: "TooManyRequests", status: 429 }, "DestinationUnreachable", true],
  [{ name: "TimeoutError" }, "DestinationUnreachable", true],
  [{ code: "ECONNREFUSED" }, "DestinationUnreachable", true],
  [{ code: "ENOTFOUND" }, "DestinationUnreachable", true],
  [{ code: "SELF_SIGNED_CERT_IN_CHAIN" }, "DestinationUnreachable", false],
  [{ code: "ERR_TLS_CERT_ALTNAME_INVALID" }, "DestinationUnreachable", false],
  [{ code: "EPROTO" }, "DestinationUnreachable", false],
  [{ name: "NoSuchUpload", status: 404 }, "DestinationFailed", true],
  [{ name: "NotImplemented", status: 501 }, "DestinationFailed", false],
  [{ name: "MalformedXML", status: 400 }, "DestinationFailed", false],
];

for (const [like, code, transient] of cases) {
  test(`s3Error() calls ${JSON.stringify(like)} ${code}${transient ? ", which may pass" : ""}`, () => {
    const error = mapped(like);
    assert.deepEqual([error.code, error.transient], [code, transient]);
    assert.match(error.message, /^Bucket b at http:\/\/s3 could not store k: /);
    assert.match(error.message, /Earlier backups are untouched\. [A-Z]/);
  });
}

test("s3Error() shows nothing of an answer but its name, status and words", () => {
  const error = Object.assign(new Error("Denied."), {
    name: "SignatureDoesNotMatch",
    StringToSign: "secret-words",
    AWSAccessKeyId: "AKIA",
    $metadata: { httpStatusCode: 403 },
  });
  const { message, cause } = s3Error(error, "list x", { bucket: "b", endpoint: undefined });
  assert.match(message, /at AWS could not list x: SignatureDoesNotMatch \(HTTP 403\): Denied\. /);
  assert.doesNotMatch(message, /secret-words|AKIA/);
  assert.equal(cause, undefined);
});

test("s3Error() hands a BackupError on as it is", () => {
  const error = new BackupError("Interrupted", "stop");
  assert.equal(s3Error(error, "x", { bucket: "b", endpoint: undefined }), error);
});

test("partBytesFor() holds twice the announced size in 10,000 parts, from 8 MiB to 5 GiB", () => {
  const mebibyte = 2 ** 20;
  assert.equal(partBytesFor(0), 8 * mebibyte);
  assert.equal(partBytesFor(40 * 2 ** 30), 9 * mebibyte);
  for (const sizeBytes of [1, 1e9, 1e11, 1e12, 1e13]) {
    const partBytes = partBytesFor(sizeBytes);
    assert.equal(partBytes % mebibyte, 0);
    assert(partBytes * 10_000 >= 2 * sizeBytes, `${sizeBytes}`);
  }
  assert.equal(partBytesFor(1e15), 5 * 2 ** 30);
});

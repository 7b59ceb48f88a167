import { GetObjectCommand, type GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { pause, throwIfInterrupted } from "./interruption.ts";
import { artifactMissing, tooLarge } from "./refusals.ts";
import { isAbsent, statusOf } from "./s3-errors.ts";
import type { S3Session } from "./s3-session.ts";
import { BackupError } from "./types.ts";

/** A connection that breaks so often without giving a single further byte is given up. */
const breaksMax = 4;
const pauseMs = 500;

/**
 * An object in pieces. Where the connection breaks it goes on from there, as long as the object is still the
 * same. Throws BackupError; ArtifactMissing where there is none.
 */
export async function* download(
  session: S3Session,
  key: string,
  uri: string,
): AsyncGenerator<Uint8Array> {
  const doing = `read ${key}`;
  let at = 0;
  let identity: { readonly etag: string | undefined; readonly sizeBytes: number } | undefined;
  for (let breaks = 0; ; breaks++) {
    const answer = await get(session, key, uri, at, identity?.etag);
    identity ??= { etag: answer.ETag, sizeBytes: sizeOf(answer, uri) };
    let failure: BackupError | undefined;
    try {
      for await (const chunk of answer.Body as unknown as AsyncIterable<Uint8Array>) {
        at += chunk.byteLength;
        breaks = 0;
        yield chunk;
      }
    } catch (error) {
      throwIfInterrupted(session.signal);
      failure = session.error(error, doing);
      if (!failure.transient) throw failure;
    }
    if (at >= identity.sizeBytes) return;
    if (breaks >= breaksMax) throw failure ?? session.error(endedEarly(at), doing);
    await pause(pauseMs, session.signal);
  }
}

/** A small object whole; undefined when there is none. Throws BackupError. */
export async function downloadSmall(
  session: S3Session,
  key: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const input = { Bucket: session.bucket, Key: session.objectKey(key) };
  const bytes = await session.try(
    `read ${key}`,
    async (client, options) => {
      const { Body } = await client.send(new GetObjectCommand(input), options);
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of Body as unknown as AsyncIterable<Uint8Array>) {
        length += chunk.byteLength;
        if (length > maxBytes) throw tooLarge(key, maxBytes);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    },
    { answer: (error) => (isAbsent(error) ? "absent" : undefined) },
  );
  return bytes === "absent" ? undefined : bytes;
}

/** The answer from byte `at` on. */
async function get(
  session: S3Session,
  key: string,
  uri: string,
  at: number,
  etag: string | undefined,
): Promise<GetObjectCommandOutput> {
  const input = {
    Bucket: session.bucket,
    Key: session.objectKey(key),
    ...(at > 0 && { Range: `bytes=${at}-` }),
    ...(at > 0 && etag !== undefined && { IfMatch: etag }),
  };
  const answer = await session.try(
    `read ${key}`,
    (client, options) => client.send(new GetObjectCommand(input), options),
    { answer: refusalOf },
  );
  if (answer === "Absent") throw artifactMissing(key, uri);
  const isSame = answer !== "Changed" && (etag === undefined || answer.ETag === etag);
  if (!isSame) {
    throw new BackupError(
      "HashMismatch",
      `${key} in ${uri} was replaced while it was read. Nothing of it was used; begin again, and find ` +
        "out who writes there.",
      true,
    );
  }
  if (at > 0 && !answer.ContentRange?.startsWith(`bytes ${at}-`)) {
    throw new BackupError(
      "DestinationFailed",
      `The connection to ${uri} broke while ${key} was read, and the server cannot go on in the middle ` +
        "of an object. Nothing of it was used; begin again.",
      true,
    );
  }
  return answer;
}

function refusalOf(error: unknown): "Absent" | "Changed" | undefined {
  if (isAbsent(error)) return "Absent";
  return statusOf(error) === 412 ? "Changed" : undefined;
}

const endedEarly = (bytes: number): Error =>
  Object.assign(new Error(`the connection ended ${bytes} bytes in`), { code: "ECONNRESET" });

function sizeOf({ ContentLength }: GetObjectCommandOutput, uri: string): number {
  if (ContentLength !== undefined) return ContentLength;
  throw new BackupError("DestinationFailed", `${uri} does not say how large its objects are.`);
}

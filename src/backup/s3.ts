import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { assertKey, assertPrefix, parseArtifactKey } from "./keys.ts";
import { alreadyExists } from "./refusals.ts";
import { download, downloadSmall } from "./s3-download.ts";
import { isAbsent, nameOf, statusOf } from "./s3-errors.ts";
import { contentMd5, type S3Options, S3Session } from "./s3-session.ts";
import { S3Upload } from "./s3-upload.ts";
import type { Destination, ObjectWriter, StoredObject } from "./types.ts";

/** For each deletion after the Job was told to stop. */
const cleanUpMs = 10_000;

/** A bucket, or what lies below a prefix in one, as a destination. */
export class S3Destination implements Destination {
  readonly uri: string;
  readonly #session: S3Session;

  /** Throws BackupError InvalidConfig. */
  constructor(options: S3Options, signal: AbortSignal | undefined) {
    const { bucket, prefix } = options;
    if (prefix !== undefined) assertPrefix(prefix);
    this.uri = prefix === undefined ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
    this.#session = new S3Session(options, signal);
  }

  async create(key: string, { sizeBytes }: { sizeBytes: number }): Promise<ObjectWriter> {
    assertKey(key);
    const found = await this.#session.try(
      `look for ${key}`,
      (client, options) => client.send(new HeadObjectCommand(this.#target(key)), options),
      // Answers to HEAD have no words: an absent object looks like a missing bucket, and where listing is
      // not allowed like a wrong secret. What follows is told in full.
      { answer: (error) => (isRefusal(statusOf(error)) ? "none" : undefined) },
    );
    if (found !== "none") throw alreadyExists(key);
    return new S3Upload(this.#session, key, sizeBytes);
  }

  read(key: string): AsyncIterable<Uint8Array> {
    assertKey(key);
    return download(this.#session, key, this.uri);
  }

  async readSmall(key: string, maxBytes: number): Promise<Uint8Array | undefined> {
    assertKey(key);
    return downloadSmall(this.#session, key, maxBytes);
  }

  async writeSmall(key: string, bytes: Uint8Array): Promise<void> {
    assertKey(key);
    const input = { ...this.#target(key), ...contentMd5(bytes), Body: bytes };
    await this.#session.try(`store ${key}`, (client, options) =>
      client.send(new PutObjectCommand(input), options),
    );
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    assertPrefix(prefix);
    let after: string | undefined;
    do {
      const page = await this.#page(prefix, after);
      for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
        const key = this.#session.keyOf(Key);
        // Consoles mark folders by empty objects whose names end in a slash.
        if (key === undefined || key === "" || key.endsWith("/")) continue;
        yield { key, sizeBytes: Size, modifiedMs: LastModified?.getTime() ?? 0 };
      }
      after = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (after !== undefined);
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    await this.#session.try(
      `delete ${key}`,
      (client, options) => client.send(new DeleteObjectCommand(this.#target(key)), options),
      { signal: this.#untilCleanedUp(), answer: (error) => (isGone(error) ? "gone" : undefined) },
    );
  }

  /** Only uploads whose keys a backup of ours would have. MinIO lists none, and ends them by itself. */
  async sweep(prefix: string, olderThanMs: number): Promise<number> {
    assertPrefix(prefix);
    const latestMs = Date.now() - olderThanMs;
    const old: { readonly key: string; readonly uploadId: string }[] = [];
    for await (const { key, uploadId, begunMs } of this.#unfinished(prefix)) {
      if (begunMs < latestMs && parseArtifactKey(key) !== undefined) old.push({ key, uploadId });
    }
    for (const { key, uploadId } of old) {
      const upload = { ...this.#target(key), UploadId: uploadId };
      await this.#session.try(
        `end the unfinished upload of ${key}`,
        (client, options) => client.send(new AbortMultipartUploadCommand(upload), options),
        { answer: (error) => (isGone(error) ? "gone" : undefined) },
      );
    }
    return old.length;
  }

  close(): void {
    this.#session.close();
  }

  #target(key: string) {
    return { Bucket: this.#session.bucket, Key: this.#session.objectKey(key) };
  }

  /** The session's signal, or a little time where that has ended already. */
  #untilCleanedUp(): AbortSignal | undefined {
    const { signal } = this.#session;
    return signal?.aborted ? AbortSignal.timeout(cleanUpMs) : signal;
  }

  #page(prefix: string, after: string | undefined): Promise<ListObjectsV2CommandOutput> {
    const input = {
      ...this.#below(prefix),
      ...(after !== undefined && { ContinuationToken: after }),
    };
    return this.#session.try(`list ${prefix}`, (client, options) =>
      client.send(new ListObjectsV2Command(input), options),
    );
  }

  async *#unfinished(
    prefix: string,
  ): AsyncGenerator<{ key: string; uploadId: string; begunMs: number }> {
    let after: UploadMarker | undefined = {};
    while (after !== undefined) {
      const page: ListMultipartUploadsCommandOutput = await this.#unfinishedPage(prefix, after);
      for (const { Key = "", UploadId, Initiated } of page.Uploads ?? []) {
        const key = this.#session.keyOf(Key);
        if (key === undefined || UploadId === undefined || Initiated === undefined) continue;
        yield { key, uploadId: UploadId, begunMs: Initiated.getTime() };
      }
      after = markerAfter(page);
    }
  }

  #unfinishedPage(prefix: string, after: UploadMarker): Promise<ListMultipartUploadsCommandOutput> {
    const input = { ...this.#below(prefix), ...after };
    return this.#session.try("list unfinished uploads", (client, options) =>
      client.send(new ListMultipartUploadsCommand(input), options),
    );
  }

  #below(prefix: string) {
    return { Bucket: this.#session.bucket, Prefix: this.#session.objectKey(prefix) };
  }
}

interface UploadMarker {
  readonly KeyMarker?: string;
  readonly UploadIdMarker?: string;
}

function markerAfter(page: ListMultipartUploadsCommandOutput): UploadMarker | undefined {
  const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page;
  if (IsTruncated !== true || NextKeyMarker === undefined) return undefined;
  return {
    KeyMarker: NextKeyMarker,
    ...(NextUploadIdMarker !== undefined && { UploadIdMarker: NextUploadIdMarker }),
  };
}

const isRefusal = (status = 0): boolean => status >= 400 && status < 500 && status !== 429;

/** Somebody was faster. */
const isGone = (error: unknown): boolean => isAbsent(error) || nameOf(error) === "NoSuchUpload";

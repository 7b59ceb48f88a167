import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { pause, throwIfInterrupted } from "./interruption.ts";
import { alreadyExists } from "./refusals.ts";
import { isAbsent, nameOf, statusOf } from "./s3-errors.ts";
import { type Attempt, contentMd5, type S3Session } from "./s3-session.ts";
import { BackupError, type ObjectWriter } from "./types.ts";

/** Limits of S3. */
const partsMax = 10_000;
const partBytesMaxOfS3 = 5 * 2 ** 30;
const mebibyte = 2 ** 20;
const partBytesMin = 8 * mebibyte;
/** Parts on their way, beside the one being filled. */
const partsInFlightMax = 2;
/** Parts on their way may arrive for so long once nobody wants them any more. */
const settleMs = 2000;
/** What taking back an upload may take when the Job is told to stop. */
const abortMs = 7000;
const abortsMax = 4;
const abortPauseMs = 100;

/**
 * Size of the parts of an object of about `sizeBytes`: twice as many bytes as announced still fit, as the
 * data may have grown in the meantime.
 */
export function partBytesFor(sizeBytes: number): number {
  const needed = Math.ceil((2 * sizeBytes) / partsMax / mebibyte) * mebibyte;
  return Math.min(Math.max(needed, partBytesMin), partBytesMaxOfS3);
}

/**
 * An object on its way in parts; those are seen by nobody until commit() puts them together. At most three
 * parts are in memory. What fits into one part is sent whole at commit().
 */
export class S3Upload implements ObjectWriter {
  readonly #session: S3Session;
  readonly #key: string;
  /** In the object's metadata: whether an object that is suddenly there is this one. */
  readonly #mark = { "quoin-upload": randomUUID() };
  readonly #partBytes: number;
  readonly #stop = new AbortController();
  /** Ends requests; a little later than the session's own, so that the server has all of a part or nothing. */
  readonly #signal = this.#stop.signal;

  #filling: Buffer | undefined;
  #filled = 0;
  readonly #free: Buffer[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  readonly #parts: CompletedPart[] = [];
  #partsBegun = 0;
  #uploadId: string | undefined;
  #failure: BackupError | undefined;
  #state: "open" | "committed" | "aborted" = "open";

  constructor(session: S3Session, key: string, sizeBytes: number) {
    this.#session = session;
    this.#key = key;
    this.#partBytes = partBytesFor(sizeBytes);
    const { signal } = session;
    const stop = () => setTimeout(() => this.#stop.abort(), settleMs).unref();
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.#doing(async () => {
      for (let at = 0; at < chunk.byteLength; ) {
        this.#filling ??= this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#partBytes);
        const taken = Math.min(chunk.byteLength - at, this.#partBytes - this.#filled);
        this.#filling.set(chunk.subarray(at, at + taken), this.#filled);
        this.#filled += taken;
        at += taken;
        // A full part waits for the next byte: the last one may be the only one.
        if (this.#filled === this.#partBytes && at < chunk.byteLength) await this.#sendPart();
      }
      if (this.#filled === this.#partBytes && this.#uploadId !== undefined) await this.#sendPart();
    });
  }

  async commit(): Promise<void> {
    await this.#doing(async () => {
      if (this.#uploadId === undefined) {
        await this.#putWhole();
        return;
      }
      if (this.#filled > 0) await this.#sendPart();
      await Promise.all(this.#inFlight);
      this.#throwFailure();
      await this.#complete(this.#uploadId);
    });
    this.#state = "committed";
  }

  async abort(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "aborted";
    this.#filling = undefined;
    // A part that arrives after the upload was taken back would stay there.
    const settled = Promise.all(this.#inFlight);
    await Promise.race([settled, sleep(settleMs, undefined, { ref: false })]);
    this.#stop.abort();
    await settled;
    const UploadId = this.#uploadId;
    if (UploadId === undefined) return;
    // What stays behind is swept by a later run.
    await this.#takeBack(UploadId).catch(() => {});
  }

  /**
   * Until the server knows the upload no more: a part that was on its way when its connection ended may
   * arrive after the first word. The session's own signal may have ended already.
   */
  async #takeBack(UploadId: string): Promise<void> {
    const signal = AbortSignal.timeout(abortMs);
    const input = { ...this.#target, UploadId };
    for (let attempt = 0; attempt < abortsMax; attempt++) {
      const answer = await this.#session.try(
        `take back the upload of ${this.#key}`,
        (client, options) => client.send(new AbortMultipartUploadCommand(input), options),
        { signal, answer: (error) => (nameOf(error) === "NoSuchUpload" ? "gone" : undefined) },
      );
      if (answer === "gone") return;
      await pause(abortPauseMs, signal);
    }
  }

  get #target() {
    return { Bucket: this.#session.bucket, Key: this.#session.objectKey(this.#key) };
  }

  get #what(): string {
    return `store ${this.#key}`;
  }

  async #doing(act: () => Promise<void>): Promise<void> {
    try {
      throwIfInterrupted(this.#session.signal);
      if (this.#state !== "open") throw new Error(`the upload is ${this.#state}`);
      this.#throwFailure();
      await act();
    } catch (error) {
      const failure = this.#session.error(error, this.#what);
      await this.abort();
      throw failure;
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #sendPart(): Promise<void> {
    this.#uploadId ??= await this.#begin();
    const buffer = this.#filling as Buffer;
    const body = buffer.subarray(0, this.#filled);
    this.#filling = undefined;
    this.#filled = 0;
    this.#partsBegun++;
    if (this.#partsBegun > partsMax) {
      throw new BackupError(
        "SnapshotFailed",
        `The snapshot grew to more than twice the size the member had announced, and S3 takes no more ` +
          `than ${partsMax} parts. Earlier backups are untouched; run the backup again.`,
        true,
      );
    }
    const sent = this.#upload(this.#partsBegun, body, this.#uploadId)
      .then(() => void this.#free.push(buffer))
      .catch((error: BackupError) => {
        this.#failure ??= error;
      })
      .finally(() => this.#inFlight.delete(sent));
    this.#inFlight.add(sent);
    if (this.#inFlight.size >= partsInFlightMax) await Promise.race(this.#inFlight);
    throwIfInterrupted(this.#session.signal);
    this.#throwFailure();
  }

  async #begin(): Promise<string> {
    const begun = await this.#session.try(
      this.#what,
      (client, options) =>
        client.send(
          new CreateMultipartUploadCommand({ ...this.#target, Metadata: this.#mark }),
          options,
        ),
      { signal: this.#signal },
    );
    if (begun.UploadId === undefined) throw new Error("the answer has no UploadId");
    return begun.UploadId;
  }

  async #upload(PartNumber: number, Body: Buffer, UploadId: string): Promise<void> {
    const { ETag } = await this.#session.try(
      `${this.#what} (part ${PartNumber})`,
      (client, options) =>
        client.send(
          new UploadPartCommand({
            ...this.#target,
            ...contentMd5(Body),
            UploadId,
            PartNumber,
            Body,
          }),
          options,
        ),
      { signal: this.#signal },
    );
    if (ETag === undefined) throw this.#session.error(new Error("part without ETag"), this.#what);
    this.#parts[PartNumber - 1] = { PartNumber, ETag };
  }

  #complete(UploadId: string): Promise<void> {
    const whole = { ...this.#target, UploadId, MultipartUpload: { Parts: this.#parts } };
    return this.#giveName(
      (condition) => (client, options) =>
        client.send(new CompleteMultipartUploadCommand({ ...whole, ...condition }), options),
    );
  }

  #putWhole(): Promise<void> {
    const Body = this.#filling?.subarray(0, this.#filled) ?? Buffer.alloc(0);
    const whole = { ...this.#target, ...contentMd5(Body), Body, Metadata: this.#mark };
    return this.#giveName(
      (condition) => (client, options) =>
        client.send(new PutObjectCommand({ ...whole, ...condition }), options),
    );
  }

  /**
   * Gives the object its name unless that is taken. An answer that was lost makes a retry be told "taken" or
   * "no such upload" although the name is ours: the mark tells.
   */
  async #giveName(act: (condition: { IfNoneMatch?: string }) => Attempt<unknown>): Promise<void> {
    const options = { signal: this.#signal, answer: refusalOf };
    let answer = await this.#session.try(this.#what, act({ IfNoneMatch: "*" }), options);
    // A server without conditional writes: keys are unique, and create() has looked.
    if (answer === "NoConditions") answer = await this.#session.try(this.#what, act({}), options);
    if (answer !== "Taken" && answer !== "NoSuchUpload") return;
    if (await this.#isOurs()) return;
    if (answer === "Taken") throw alreadyExists(this.#key);
    throw this.#session.error(named("NoSuchUpload"), this.#what);
  }

  async #isOurs(): Promise<boolean> {
    const found = await this.#session.try(
      this.#what,
      (client, options) => client.send(new HeadObjectCommand(this.#target), options),
      { signal: this.#signal, answer: (error) => (isAbsent(error) ? "none" : undefined) },
    );
    return found !== "none" && found.Metadata?.["quoin-upload"] === this.#mark["quoin-upload"];
  }
}

type Refusal = "Taken" | "NoSuchUpload" | "NoConditions";

function refusalOf(error: unknown): Refusal | undefined {
  if (statusOf(error) === 412) return "Taken";
  if (nameOf(error) === "NoSuchUpload") return "NoSuchUpload";
  return statusOf(error) === 501 ? "NoConditions" : undefined;
}

const named = (name: string): Error => Object.assign(new Error(), { name });

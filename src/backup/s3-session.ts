import { createHash, getFips } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { S3Client } from "@aws-sdk/client-s3";
import type { DestinationOptions } from "./destination.ts";
import { interruption, pause, throwIfInterrupted } from "./interruption.ts";
import { nameOf, s3Error } from "./s3-errors.ts";
import { BackupError } from "./types.ts";

const connectMs = 10_000;
/** Of silence on a connection; the server may be putting a large object together. */
const idleMs = 120_000;
/** A step that keeps failing for reasons that may pass is given up after that. */
const retryMs = 60_000;
const firstPauseMs = 200;
const pauseMsMax = 5000;

export type S3Options = Extract<DestinationOptions, { kind: "s3" }>;

/** One attempt: hand the options on to the client's send(). */
export type Attempt<T> = (client: S3Client, options: { abortSignal: AbortSignal }) => Promise<T>;

interface TryOptions<A> {
  /** Ends it early, in place of the session's own. */
  readonly signal?: AbortSignal | undefined;
  /** What an error of the SDK says, where it is an answer; undefined where it is a failure. */
  readonly answer?: (error: unknown) => A | undefined;
}

/** A client of one bucket: what it does is tried again while that may help, and fails as BackupError. */
export class S3Session {
  readonly bucket: string;
  readonly #client: S3Client;
  readonly #place: { readonly bucket: string; readonly endpoint: string | undefined };
  readonly #signal: AbortSignal | undefined;
  readonly #prefix: string;

  /** Throws BackupError InvalidConfig. */
  constructor(options: S3Options, signal: AbortSignal | undefined) {
    this.bucket = options.bucket;
    this.#prefix = options.prefix === undefined ? "" : `${options.prefix}/`;
    this.#place = { bucket: options.bucket, endpoint: options.endpoint };
    this.#signal = signal;
    this.#client = new S3Client(clientConfig(options));
  }

  /** The bucket's name of a key. */
  objectKey(key: string): string {
    return this.#prefix + key;
  }

  /** The inverse; undefined for an object that is not below the prefix. */
  keyOf(objectKey: string): string | undefined {
    return objectKey.startsWith(this.#prefix) ? objectKey.slice(this.#prefix.length) : undefined;
  }

  /**
   * Does one step. `doing` completes "could not ...". Errors that may pass are tried again for a minute.
   * Throws BackupError.
   */
  async try<T, A = never>(
    doing: string,
    attempt: Attempt<T>,
    { signal = this.#signal, answer }: TryOptions<A> = {},
  ): Promise<T | A> {
    const giveUpAt = performance.now() + retryMs;
    let isClockSet = false;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, pauseMsMax)) {
      throwIfInterrupted(signal);
      try {
        return await attempt(this.#client, { abortSignal: signal ?? neverAborted });
      } catch (error) {
        if (signal?.aborted) throw interruption(signal);
        // The SDK has learnt the server's time from that answer.
        if (nameOf(error) === "RequestTimeTooSkewed" && !isClockSet) {
          isClockSet = true;
          continue;
        }
        const answered = answer?.(error);
        if (answered !== undefined) return answered;
        const failure = this.error(error, doing);
        if (!failure.transient || performance.now() + pauseMs > giveUpAt) throw failure;
      }
      await pause(pauseMs * (0.5 + Math.random() / 2), signal);
    }
  }

  /** Of an error outside try(). */
  error(error: unknown, doing: string): BackupError {
    return s3Error(error, doing, this.#place);
  }

  get signal(): AbortSignal | undefined {
    return this.#signal;
  }

  close(): void {
    this.#client.destroy();
  }
}

/**
 * The one checksum that every S3 server knows: it refuses what arrives as something else, and buckets with an
 * object lock refuse what comes without. Nothing where the machine's rules (FIPS) forbid MD5.
 */
export const contentMd5 = (bytes: Uint8Array): { readonly ContentMD5?: string } =>
  getFips() === 1 ? {} : { ContentMD5: createHash("md5").update(bytes).digest("base64") };

const neverAborted = new AbortController().signal;

function clientConfig(options: S3Options) {
  const { endpoint, caFile } = options;
  const sockets = { keepAlive: true, maxSockets: 8 };
  const ca = caFile === undefined ? {} : { ca: readCa(caFile) };
  const { env } = process;
  return {
    region: options.region ?? env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? "us-east-1",
    ...(endpoint === undefined ? { followRegionRedirects: true } : { endpoint }),
    // Names of buckets under a server of one's own seldom have DNS.
    forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
    // What several S3 servers do not know fails on them; they all know Content-MD5.
    requestChecksumCalculation: "WHEN_REQUIRED" as const,
    responseChecksumValidation: "WHEN_REQUIRED" as const,
    // Retries are ours: they heed the signal and a bound in time.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: connectMs,
      socketTimeout: idleMs,
      httpAgent: new HttpAgent(sockets),
      httpsAgent: new HttpsAgent({ ...sockets, ...ca }),
    },
  };
}

function readCa(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new BackupError(
      "InvalidConfig",
      `The CA file ${file} cannot be read: ${(error as Error).message}. Nothing was done; see that ` +
        "caSecretRef's Secret has the key ca.crt.",
    );
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new BackupError(
    "InvalidConfig",
    `The CA file ${file} holds no certificate in PEM form. Nothing was done; put one under ca.crt.`,
  );
}

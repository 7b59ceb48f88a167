// A real S3 server for tests: versitygw on a folder of its own, built from its Go module.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { freePorts } from "../free-ports.ts";
import { toolFolder } from "../process/member.ts";
import { Hopeless, NotYet, until } from "../until.ts";

export interface S3ServerOptions {
  /** Address it listens on; default 127.0.0.1. */
  readonly host?: string;
  /** PEM files; absent: http. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly ca: string };
  /** A file system of exactly that size holds the objects, so it can be full. Needs root. */
  readonly roomBytes?: number;
}

/** One server process. Dispose it; should the test be killed, the kernel ends the server. */
export class S3Server implements AsyncDisposable {
  readonly accessKeyId = "quoin-test";
  readonly secretAccessKey = "not-a-secret-0123456789";
  readonly endpoint: string;
  readonly #host: string;
  readonly #port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "quoin-s3-"));
  readonly #options: S3ServerOptions;
  readonly #client: S3Client;
  #child: ChildProcess | undefined;

  private constructor(options: S3ServerOptions, port: number) {
    this.#options = options;
    this.#host = options.host ?? "127.0.0.1";
    this.#port = port;
    this.endpoint = `${options.tls === undefined ? "http" : "https"}://${this.#host}:${port}`;
    this.#client = new S3Client({
      endpoint: this.endpoint,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { accessKeyId: this.accessKeyId, secretAccessKey: this.secretAccessKey },
      requestHandler: { httpsAgent: { ...(options.tls && { ca: options.tls.ca }) } },
    });
  }

  static async start(options: S3ServerOptions = {}): Promise<S3Server> {
    const [port] = (await freePorts(1)) as [number];
    const server = new S3Server(options, port);
    try {
      for (const name of ["objects", "facts"]) mkdirSync(join(server.#folder, name));
      if (options.roomBytes !== undefined) server.#mount(options.roomBytes);
      await server.up();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  /** The variables from which the SDK takes its credentials. */
  get env(): { readonly AWS_ACCESS_KEY_ID: string; readonly AWS_SECRET_ACCESS_KEY: string } {
    return { AWS_ACCESS_KEY_ID: this.accessKeyId, AWS_SECRET_ACCESS_KEY: this.secretAccessKey };
  }

  /** Starts it, again with what it had stored. */
  async up(): Promise<void> {
    const folder = toolFolder("versitygw");
    if (folder === undefined) throw new Error("needs Go to build versitygw");
    const { tls } = this.#options;
    const log = openSync(this.#logFile, "a");
    this.#child = spawn(
      // Not to outlive a test that is killed.
      "setpriv",
      [
        ...["--pdeathsig", "KILL", join(folder, "versitygw"), "--quiet", "--keep-alive"],
        ...["--port", `${this.#host}:${this.#port}`],
        ...(tls === undefined ? [] : ["--cert", tls.certFile, "--key", tls.keyFile]),
        ...["posix", "--sidecar", join(this.#folder, "facts"), this.#objects],
      ],
      {
        env: { ROOT_ACCESS_KEY: this.accessKeyId, ROOT_SECRET_KEY: this.secretAccessKey },
        stdio: ["ignore", log, log],
      },
    );
    closeSync(log);
    const child = this.#child;
    await until("versitygw to listen", async () => {
      if (await isListening(this.#host, this.#port)) return true;
      const Why = child.exitCode === null ? NotYet : Hopeless;
      throw new Why(`versitygw says:\n${readFileSync(this.#logFile, "utf8")}`);
    });
  }

  /** kill -9; what was stored stays. */
  async down(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  async createBucket(bucket: string): Promise<void> {
    await this.#client.send(new CreateBucketCommand({ Bucket: bucket }));
  }

  /** Stores an object as somebody else would. */
  async put(bucket: string, key: string, text: string): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: text }));
  }

  /** Keys of all objects below the prefix, sorted. */
  async keys(bucket: string, prefix = ""): Promise<string[]> {
    const keys: string[] = [];
    let after: string | undefined;
    do {
      const page = await this.#client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...at(after) }),
      );
      for (const { Key } of page.Contents ?? []) keys.push(Key ?? "");
      after = page.NextContinuationToken;
    } while (after !== undefined);
    return keys;
  }

  /** Keys of unfinished multipart uploads. */
  async uploads(bucket: string): Promise<string[]> {
    const found = await this.#client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    return (found.Uploads ?? []).map(({ Key }) => Key ?? "");
  }

  /** The file that holds an object, for tests that damage it. */
  fileOf(bucket: string, key: string): string {
    return join(this.#objects, bucket, key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
    await this.down();
    if (this.#options.roomBytes !== undefined) {
      try {
        execFileSync("umount", [this.#objects], { stdio: "ignore" });
      } catch {
        // It was not mounted.
      }
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #objects(): string {
    return join(this.#folder, "objects");
  }

  get #logFile(): string {
    return join(this.#folder, "log");
  }

  #mount(bytes: number): void {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "quoin-s3", this.#objects]);
  }
}

const at = (token: string | undefined) => (token === undefined ? {} : { ContinuationToken: token });

function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

// Two servers that are asked the same, byte by byte: real etcd and ours. Beneath any client library,
// so that a question may be what no library would send.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMembers, type Member, type Program } from "../../process/member.ts";

/** What a call came to. `text` is the status message with plain blanks. */
export interface Outcome {
  readonly code: number;
  readonly text: string;
  readonly messages: readonly Buffer[];
}

export interface AskOptions {
  /** More messages behind the first. */
  readonly more?: readonly Uint8Array[];
  /** For bidirectional streams: the client ends the call once this message has come. */
  readonly last?: (message: Buffer) => boolean;
  /** Metadata, for example a token. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

export class Server implements AsyncDisposable {
  readonly name: string;
  readonly member: Member;
  readonly #folder: string;
  #session: ClientHttp2Session | undefined;

  private constructor(name: string, member: Member, folder: string) {
    this.name = name;
    this.member = member;
    this.#folder = folder;
  }

  static async start(program: Program, flags: readonly string[] = []): Promise<Server> {
    const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
    const folder = mkdtempSync(join(base, `quoin-edges-${program.name.replace(/\W/g, "")}-`));
    const [member] = (await createMembers(program, folder, 1, flags)) as [Member];
    member.start();
    await member.ready();
    return new Server(program.name, member, folder);
  }

  /** One gRPC call. Rejects when the server does not answer it as gRPC: it broke down. */
  async ask(path: string, message: Uint8Array, options: AskOptions = {}): Promise<Outcome> {
    if (this.#session === undefined || this.#session.closed || this.#session.destroyed) {
      this.#session = connect(this.member.endpoint);
      this.#session.on("error", () => undefined);
    }
    const stream = this.#session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...options.headers,
    });
    for (const m of [message, ...(options.more ?? [])]) stream.write(frame(m));
    if (options.last === undefined) stream.end();
    try {
      return await outcome(stream, options);
    } catch (error) {
      const tail = this.member.logTail(5);
      throw new Error(`${this.name} ${path}: ${(error as Error).message}\n${tail}`);
    } finally {
      stream.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session?.destroy();
    await this.member[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

function outcome(stream: ClientHttp2Stream, options: AskOptions): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const messages: Buffer[] = [];
    let buffered = Buffer.alloc(0);
    let status: Record<string, unknown> = {};
    const timer = setTimeout(() => reject(new Error("no answer")), options.timeoutMs ?? 60_000);
    stream.on("response", (headers) => {
      if (headers["grpc-status"] !== undefined) status = headers;
    });
    stream.on("trailers", (headers) => {
      status = headers;
    });
    stream.on("data", (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      while (buffered.length >= 5 && buffered.length >= 5 + buffered.readUInt32BE(1)) {
        const end = 5 + buffered.readUInt32BE(1);
        const message = buffered.subarray(5, end);
        buffered = buffered.subarray(end);
        messages.push(message);
        if (options.last?.(message) === true) {
          status = { "grpc-status": "0" };
          stream.close();
        }
      }
    });
    stream.on("error", () => undefined);
    stream.on("close", () => {
      clearTimeout(timer);
      if (status["grpc-status"] === undefined) {
        reject(new Error(`no gRPC status (HTTP/2 code ${stream.rstCode})`));
        return;
      }
      const text = decodeURIComponent(String(status["grpc-message"] ?? "")).replaceAll(
        "\u00a0",
        " ",
      );
      resolve({ code: Number(status["grpc-status"]), text, messages });
    });
  });
}

/** A server on a free loopback port, and clients to talk to it: grpc-js, and bare frames. */
import assert from "node:assert/strict";
import net from "node:net";
import type { TestContext } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { createClock } from "../../src/io/index.ts";
import type { Logger } from "../../src/ports/index.ts";
import {
  createRpcServer,
  type ListenOptions,
  type Method,
  type RpcServer,
  type RpcServerOptions,
} from "../../src/rpc/index.ts";
import { until } from "../until.ts";

export const clock = createClock();

export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
};

export interface Running {
  readonly server: RpcServer;
  readonly address: string;
  readonly port: number;
}

export async function start(
  t: TestContext,
  methods: Readonly<Record<string, Method>>,
  options: Partial<RpcServerOptions> = {},
  where: ListenOptions = {},
): Promise<Running> {
  const running = await startServer(methods, options, where);
  t.after(() => running.server.close());
  return running;
}

/** The same for whoever closes the server himself. */
export async function startServer(
  methods: Readonly<Record<string, Method>>,
  options: Partial<RpcServerOptions> = {},
  where: ListenOptions = {},
): Promise<Running> {
  const server = createRpcServer({
    clock,
    logger: silentLogger,
    ...options,
    methods: new Map(Object.entries(methods)),
  });
  const listener = await server.listen({ host: "127.0.0.1", port: 0, ...where });
  return { server, address: listener.address, port: Number(listener.address.split(":")[1]) };
}

const bytes = (b: Buffer): Buffer => b;

/** A grpc-js client whose messages are bare bytes. */
export function grpcClient(t: TestContext, address: string): GrpcClient {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  t.after(() => client.close());
  return new GrpcClient(client);
}

export class GrpcClient {
  readonly raw: grpc.Client;

  constructor(raw: grpc.Client) {
    this.raw = raw;
  }

  unary(
    path: string,
    request: Uint8Array,
    options: grpc.CallOptions = {},
    metadata: grpc.Metadata = new grpc.Metadata(),
  ): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const message = Buffer.from(request);
      this.raw.makeUnaryRequest(path, bytes, bytes, message, metadata, options, (error, value) =>
        error ? reject(error) : resolve(value!),
      );
    });
  }

  bidi(path: string, options: grpc.CallOptions = {}): grpc.ClientDuplexStream<Buffer, Buffer> {
    return this.raw.makeBidiStreamRequest(path, bytes, bytes, options);
  }
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function frame(
  type: number,
  flags: number,
  id: number,
  payload: Uint8Array | string,
): Buffer {
  const body = Buffer.from(payload as Uint8Array);
  const header = Buffer.alloc(9);
  header.writeUIntBE(body.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(id, 5);
  return Buffer.concat([header, body]);
}

/** A header block of literals without indexing. */
export function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (s: string): Buffer => {
    const b = Buffer.from(s, "latin1");
    assert(b.length < 127);
    return Buffer.concat([Buffer.from([b.length]), b]);
  };
  return Buffer.concat(fields.flatMap(([n, v]) => [Buffer.from([0]), text(n), text(v)]));
}

export const requestFields = (path: string): [string, string][] => [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", path],
  [":authority", "test"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

export const grpcMessage = (body: Uint8Array): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
};

/** A client that speaks bare frames. */
export class RawClient {
  readonly socket: net.Socket;
  readonly frames: Frame[] = [];
  closed = false;
  #rest: Buffer = Buffer.alloc(0);

  constructor(t: TestContext, port: number, hello = true) {
    this.socket = net.connect(port, "127.0.0.1");
    t.after(() => this.socket.destroy());
    this.socket.on("data", (chunk) => this.#receive(chunk as Buffer));
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
    });
    if (hello) {
      this.socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
      this.socket.write(frame(4, 0, 0, ""));
    }
  }

  send(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  request(id: number, path: string, body: Uint8Array, more: [string, string][] = []): void {
    const block = headerBlock([...requestFields(path), ...more]);
    const message = grpcMessage(body);
    const pieces = [frame(1, 4, id, block)];
    for (let at = 0; at < message.length; at += 16_384) {
      const piece = message.subarray(at, at + 16_384);
      pieces.push(frame(0, at + piece.length === message.length ? 1 : 0, id, piece));
    }
    this.send(...pieces);
  }

  /** The first frame that matches, once it has come. */
  async find(what: string, matches: (f: Frame) => boolean): Promise<Frame> {
    await until(`${what} arrives`, () => this.closed || this.frames.some(matches));
    const found = this.frames.find(matches);
    assert(found, `the connection closed before ${what} arrived`);
    return found;
  }

  /** The GOAWAY that ends the connection: its error code and text. */
  async goAway(): Promise<{ code: number; text: string }> {
    const { payload } = await this.find("GOAWAY", (f) => f.type === 7);
    return { code: payload.readUInt32BE(4), text: payload.toString("latin1", 8) };
  }

  async reset(id: number): Promise<number> {
    const found = await this.find("RST_STREAM", (f) => f.type === 3 && f.streamId === id);
    return found.payload.readUInt32BE(0);
  }

  /** The DATA of a stream so far. */
  data(id: number): Buffer {
    const frames = this.frames.filter((f) => f.type === 0 && f.streamId === id);
    return Buffer.concat(frames.map((f) => f.payload));
  }

  dataBytes(id: number): number {
    return this.data(id).length;
  }

  #receive(chunk: Buffer): void {
    let rest = Buffer.concat([this.#rest, chunk]);
    while (rest.length >= 9) {
      const length = rest.readUIntBE(0, 3);
      if (rest.length < 9 + length) break;
      this.frames.push({
        type: rest[3]!,
        flags: rest[4]!,
        streamId: rest.readUInt32BE(5),
        payload: rest.subarray(9, 9 + length),
      });
      rest = rest.subarray(9 + length);
    }
    this.#rest = rest;
  }
}

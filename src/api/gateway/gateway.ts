/** Source: etcd embed/serve.go registerGateway, grpc-gateway v2 runtime (handler.go, errors.go, context.go). */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../ports/index.ts";
import { loadServices, ProtoError, type ServiceMethod } from "../../proto/index.ts";
import { type Method, Status } from "../../rpc/index.ts";
import { LocalClient, type LocalFailure, type LocalStream, type Origin } from "../local/index.ts";
import { commonNameOf } from "../v3/access.ts";
import { httpStatusOf } from "./http-status.ts";
import { JsonSplitter, ValueTooLong } from "./json-splitter.ts";
import { originOf } from "./origin.ts";
import { CloseCode, handshake, isWebSocketUpgrade, WebSocketEnd } from "./websocket.ts";

export interface GatewayOptions {
  readonly methods: ReadonlyMap<string, Method>;
  readonly clock: Clock;
  /** Largest request as protobuf; its JSON may be twice as long. */
  readonly requestBytesMax: number;
  /** Largest answer as protobuf that is turned into JSON, and held meanwhile; 64 MiB. */
  readonly answerBytesMax?: number;
  /** Whether certificates name users: whoever shows one is told that here they do not. */
  readonly usersByCertificate?: () => boolean;
}

const prefix = "/v3/";
/** Held until the client has read it all; about a second of the loop's time as JSON. */
const answerBytesMax = 64 << 20;
const jsonHeaders = { "Content-Type": "application/json" };
const grpcHeaders = { ...jsonHeaders, "Grpc-Metadata-Content-Type": "application/grpc" };

/** Up to here an answer becomes JSON in one turn, and its length is told before it, as Go's server does. */
const turnBytes = 64 * 1024;

/** etcd's words. */
const nameIgnored =
  "CommonName of client sending a request against gateway will be ignored and not used as expected\n";

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #client: LocalClient;
  #routes: Promise<ReadonlyMap<string, ServiceMethod>> | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#client = new LocalClient(options.methods, options.clock);
  }

  /** Answers requests below /v3/ (and etcd's old /v3beta/); false for what is none of its business. */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    const path = (request.url ?? "/").split("?", 1)[0]?.replace(/^\/v3beta\//, prefix) ?? "/";
    if (!path.startsWith(prefix)) return false;
    if (this.#options.usersByCertificate?.() === true && commonNameOf(request.socket)) {
      response.writeHead(400, { "Content-Type": "text/plain; charset=utf-8" });
      response.end(nameIgnored);
      return true;
    }
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    this.#answer(path, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else refuse(response, { code: Status.internal, message: String(error) });
    });
    return true;
  }

  async #answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#routes ??= loadRoutes();
    const method = (await this.#routes).get(path);
    if (method === undefined) {
      refuse(response, { code: Status.notFound, message: "Not Found" });
    } else if (isWebSocketUpgrade(request)) {
      this.#socket(method, request, response);
    } else if (request.method !== "POST") {
      refuse(response, { code: Status.unimplemented, message: "Method Not Allowed" });
    } else if (method.isServerStream) {
      this.#stream(method, request, response);
    } else await this.#unary(method, request, response);
  }

  async #unary(
    method: ServiceMethod,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const message = await this.#whole(method, request);
    if (!(message instanceof Uint8Array)) {
      refuse(response, message);
      return;
    }
    const origin = this.#origin(request);
    const cancel = this.#client.unary(method.path, message, origin, (failure, answer) => {
      if (failure !== undefined) {
        refuse(response, failure);
        return;
      }
      this.#tell(method, answer as Uint8Array, response).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else refuse(response, untellable(error));
      });
    });
    response.on("close", cancel);
  }

  /** Rejects where it has no JSON. */
  async #tell(method: ServiceMethod, answer: Uint8Array, response: ServerResponse): Promise<void> {
    const { byteLength } = answer;
    if (byteLength > (this.#options.answerBytesMax ?? answerBytesMax)) {
      refuse(response, tooLong(byteLength));
      return;
    }
    if (byteLength <= turnBytes) {
      const body = method.toJson(answer);
      response.writeHead(200, { ...grpcHeaders, "Content-Length": Buffer.byteLength(body) });
      response.end(body);
      return;
    }
    for (const piece of method.toJsonPieces(answer)) {
      // Headers leave with the first: until then a failure can be told.
      if (!response.headersSent) response.writeHead(200, grpcHeaders);
      const isRead = piece === "" || response.write(piece);
      if (!isRead) await roomOrEnd(response);
      // Room may come within the turn.
      await this.#turn();
      if (response.destroyed) return;
    }
    response.end();
  }

  /** The others have theirs first. */
  #turn(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.soon(resolve));
  }

  /** The one request of the body; an empty one is an empty request. */
  async #whole(
    method: ServiceMethod,
    request: IncomingMessage,
  ): Promise<Uint8Array | LocalFailure> {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of request as AsyncIterable<Uint8Array>) {
      bytes += piece.byteLength;
      if (bytes > this.#bodyBytesMax) return this.#tooLarge();
      pieces.push(piece);
    }
    return this.#toWire(method, Buffer.concat(pieces).toString("utf8"));
  }

  /**
   * Requests are taken from the body as they come; every answer is a line `{"result":...}`. A body that has
   * ended ends the requests alone: a watch goes on.
   */
  #stream(method: ServiceMethod, request: IncomingMessage, response: ServerResponse): void {
    const answers = new StreamAnswer(method, response);
    const stream = this.#client.stream(method.path, this.#origin(request), {
      message: (bytes) => {
        if (!answers.send(bytes)) stream.readable = false;
        if (answers.isOver) stream.cancel();
      },
      end: (failure) => answers.end(failure),
      hold: (isHeld) => void (isHeld ? request.pause() : request.resume()),
    });
    response.on("drain", () => {
      stream.readable = true;
    });
    response.on("close", () => stream.cancel());
    this.#feed(method, request, stream, (failure) => {
      stream.cancel();
      answers.end(failure);
    });
  }

  /**
   * A stream by websocket, as wsproxy makes it: each message of the client is one or more requests, each
   * answer a message `{"result":...}`. A failure is told in a message and ends it.
   */
  #socket(method: ServiceMethod, request: IncomingMessage, response: ServerResponse): void {
    const spoken = request.headers["sec-websocket-protocol"];
    const bearer = /^Bearer,\s*(\S+)$/.exec(spoken ?? "")?.[1];
    const answer = handshake(request, spoken?.startsWith("Bearer") ? "Bearer" : undefined);
    const problem = "problem" in answer ? answer.problem : undefined;
    if (problem !== undefined || !method.isClientStream) {
      const unfit = `${method.path} answers no websocket: it takes one request; use POST`;
      refuse(response, { code: Status.invalidArgument, message: problem ?? unfit });
      return;
    }
    const { socket } = request;
    response.detachSocket(socket);
    if ("head" in answer) socket.write(answer.head);
    const fail = (failure: LocalFailure | undefined): void => {
      if (failure !== undefined) end.send(JSON.stringify({ error: errorBody(failure) }));
      end.close(failure === undefined ? CloseCode.normal : CloseCode.internal);
    };
    const splitter = new JsonSplitter(this.#bodyBytesMax);
    const end = new WebSocketEnd(socket, this.#bodyBytesMax, {
      message: (payload) => {
        for (const json of [...splitter.push(payload), splitter.rest()]) {
          if (json === "" || stream.ended) continue;
          const message = this.#toWire(method, json);
          if (message instanceof Uint8Array) stream.write(message);
          else {
            stream.cancel();
            fail(message);
          }
        }
      },
      closed: () => stream.cancel(),
      drained: () => {
        stream.readable = true;
      },
    });
    if (bearer !== undefined) request.headers.authorization = `Bearer ${bearer}`;
    const stream = this.#client.stream(method.path, this.#origin(request), {
      message: (bytes) => {
        try {
          if (!end.send(`{"result":${method.toJson(bytes)}}`)) stream.readable = false;
        } catch (error) {
          stream.cancel();
          fail(untellable(error));
        }
      },
      end: fail,
      hold: (isHeld) => (isHeld ? end.pause() : end.resume()),
    });
  }

  #feed(
    method: ServiceMethod,
    request: IncomingMessage,
    stream: LocalStream,
    stop: (failure: LocalFailure) => void,
  ): void {
    const splitter = new JsonSplitter(this.#bodyBytesMax);
    let isFirst = true;
    const write = (json: string): void => {
      // Where the method takes one request, what follows it is nobody's.
      if (stream.ended || (!isFirst && !method.isClientStream)) return;
      isFirst = false;
      const message = this.#toWire(method, json);
      if (message instanceof Uint8Array) stream.write(message);
      else stop(message);
    };
    request.on("data", (piece: Uint8Array) => {
      try {
        for (const json of splitter.push(piece)) write(json);
      } catch (error) {
        if (!(error instanceof ValueTooLong)) throw error;
        request.pause();
        stop(this.#tooLarge());
      }
    });
    request.on("end", () => {
      const rest = splitter.rest();
      if (rest !== "" || (isFirst && !method.isClientStream)) write(rest);
      stream.endWrites();
    });
  }

  #toWire(method: ServiceMethod, json: string): Uint8Array | LocalFailure {
    try {
      const message = method.toWire(json.trim() === "" ? "{}" : json);
      return message.byteLength > this.#options.requestBytesMax ? this.#tooLarge() : message;
    } catch (error) {
      if (!(error instanceof ProtoError)) throw error;
      return { code: Status.invalidArgument, message: error.message };
    }
  }

  get #bodyBytesMax(): number {
    return 2 * this.#options.requestBytesMax + 4096;
  }

  #tooLarge(): LocalFailure {
    const message = `grpc: received message larger than max (${this.#options.requestBytesMax} bytes)`;
    return { code: Status.resourceExhausted, message };
  }

  #origin(request: IncomingMessage): Origin {
    return originOf(request, this.#options.clock);
  }
}

async function loadRoutes(): Promise<ReadonlyMap<string, ServiceMethod>> {
  const { serviceMethods } = await loadServices();
  return new Map(serviceMethods.flatMap((m) => m.httpPaths.map((path) => [path, m] as const)));
}

/** The answer has no JSON: nested too deep, or longer than a text can be. */
const untellable = (error: unknown): LocalFailure => ({
  code: Status.internal,
  message: `the answer cannot be told as JSON: ${error instanceof Error ? error.message : String(error)}`,
});

const tooLong = (bytes: number): LocalFailure => ({
  code: Status.resourceExhausted,
  message: `the answer of ${bytes} bytes is too large for JSON; ask for less (limit, keys_only), or use gRPC`,
});

const errorBody = ({ code, message }: LocalFailure): object => ({ code, message });

function refuse(response: ServerResponse, failure: LocalFailure): void {
  const body = JSON.stringify(errorBody(failure));
  response.writeHead(httpStatusOf(failure.code), {
    ...jsonHeaders,
    "Content-Length": Buffer.byteLength(body),
    // What is left of the request's body is not read.
    ...(failure.code === Status.resourceExhausted ? { Connection: "close" } : {}),
  });
  response.end(body);
}

/** Until the client has read what was written, or is gone. */
function roomOrEnd(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
    if (response.destroyed) done();
  });
}

/** The lines of a streamed answer; headers leave with the first. */
class StreamAnswer {
  readonly #method: ServiceMethod;
  readonly #response: ServerResponse;
  #isOver = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  constructor(method: ServiceMethod, response: ServerResponse) {
    this.#method = method;
    this.#response = response;
  }

  /** False when the client does not read: until "drain". */
  send(message: Uint8Array): boolean {
    if (this.#isOver) return true;
    let line: string;
    try {
      line = `{"result":${this.#method.toJson(message)}}\n`;
    } catch (error) {
      this.end(untellable(error));
      return true;
    }
    this.#begin(200, grpcHeaders);
    return this.#response.write(line);
  }

  end(failure: LocalFailure | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (failure === undefined) {
      this.#begin(200, grpcHeaders);
      this.#response.end();
      return;
    }
    this.#begin(httpStatusOf(failure.code), jsonHeaders);
    this.#response.end(JSON.stringify({ error: errorBody(failure) }));
  }

  #begin(status: number, headers: Record<string, string>): void {
    if (!this.#response.headersSent) this.#response.writeHead(status, headers);
  }
}

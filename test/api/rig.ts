/** The API of members in this process, on loopback ports, called with @grpc/grpc-js. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { credentials, Client as GrpcClient, Metadata, type ServiceError } from "@grpc/grpc-js";
import { apiMethods, Metrics, pages } from "../../src/api/index.ts";
import type { Method } from "../../src/client/index.ts";
import { createClock, createRandom } from "../../src/io/index.ts";
import { createRpcServer, type RpcServer } from "../../src/rpc/index.ts";
import type { Member } from "../../src/server/index.ts";
import { memberPorts } from "../server/rig.ts";

/** One member's client port, and a client of it. */
export class Served implements AsyncDisposable {
  readonly grpc: GrpcClient;
  readonly http: string;
  readonly #rpc: RpcServer;
  readonly #pages: Server;

  private constructor(rpc: RpcServer, server: Server, address: string) {
    this.#rpc = rpc;
    this.#pages = server;
    this.grpc = new GrpcClient(address, credentials.createInsecure());
    this.http = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async of(member: Member): Promise<Served> {
    const { logger } = memberPorts();
    const clock = createClock();
    const context = { member, clock, random: createRandom(), logger, watchProgressMs: 100 };
    const rpc = createRpcServer({ methods: apiMethods(context), clock, logger });
    const { address } = await rpc.listen({ host: "127.0.0.1", port: 0 });
    const metrics = new Metrics({
      member: () => member,
      measures: member.measures,
      rpc: () => rpc,
      quoinVersion: "0",
      extensive: false,
      gates: [],
    });
    const server = createServer(pages({ member, metrics }));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Served(rpc, server, address);
  }

  call<Q, R>(method: Method<Q, R>, request: Q, headers: Record<string, string> = {}): Promise<R> {
    return new Promise((resolve, reject) => {
      this.grpc.makeUnaryRequest(
        method.path,
        (q: Q) => Buffer.from(method.encode(q)),
        method.decode,
        request,
        metadata(headers),
        { deadline: Date.now() + 20_000 },
        (error: ServiceError | null, answer?: R) => {
          if (error !== null) reject(error);
          else resolve(answer as R);
        },
      );
    });
  }

  stream<Q, R>(method: Method<Q, R>, headers: Record<string, string> = {}) {
    return this.grpc.makeBidiStreamRequest(
      method.path,
      (q: Q) => Buffer.from(method.encode(q)),
      method.decode,
      metadata(headers),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.grpc.close();
    this.#pages.close();
    this.#pages.closeAllConnections();
    await this.#rpc.close();
  }
}

function metadata(headers: Record<string, string>): Metadata {
  const m = new Metadata();
  for (const [name, value] of Object.entries(headers)) m.set(name, value);
  return m;
}

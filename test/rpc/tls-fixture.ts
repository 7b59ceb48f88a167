/** A server behind TLS, as the member puts it there. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRpcServer, type Method, type RpcServerOptions } from "../../src/rpc/index.ts";
import { type ListenerOptions, listen, TlsContexts } from "../../src/tls/index.ts";
import { certificate, key } from "./certificate.ts";
import { clock, type Running, silentLogger } from "./fixture.ts";

const spoken = { protocols: ["h2", "http/1.1"] as const };

/** For whoever closes it himself. */
export async function startTlsServer(
  methods: Readonly<Record<string, Method>>,
  options: Partial<RpcServerOptions> = {},
  listening: Pick<ListenerOptions, "connectionsMax" | "handshakeMs"> = {},
): Promise<Running & AsyncDisposable> {
  const server = createRpcServer({
    clock,
    logger: silentLogger,
    ...options,
    methods: new Map(Object.entries(methods)),
  });
  const listener = await listen({
    where: { host: "127.0.0.1", port: 0 },
    plain: false,
    tls: contexts(),
    endpoint: "client",
    clock,
    logger: silentLogger,
    onSocket: (socket) => server.attach(socket),
    ...spoken,
    ...listening,
  });
  const { address } = listener;
  return {
    server,
    address,
    port: Number(address.split(":")[1]),
    async [Symbol.asyncDispose]() {
      await server.close();
      await listener.close();
    },
  };
}

function contexts(): TlsContexts {
  const folder = mkdtempSync(join(tmpdir(), "quoin-tls-"));
  const certFile = join(folder, "cert.pem");
  const keyFile = join(folder, "key.pem");
  writeFileSync(certFile, certificate);
  writeFileSync(keyFile, key);
  try {
    return new TlsContexts({
      files: {
        certFile,
        keyFile,
        clientCertFile: undefined,
        clientKeyFile: undefined,
        trustedCaFile: undefined,
        clientCertAuth: false,
        crlFile: undefined,
        allowedCns: [],
        allowedHostnames: [],
        minVersion: "TLSv1.2",
        maxVersion: undefined,
        cipherSuites: [],
      },
      logger: silentLogger,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

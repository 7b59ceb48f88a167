// How a client reaches a cluster, with the certificates that the cluster's own Secret gives it.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClientOptions } from "../../src/client/index.ts";
import { resources } from "../../src/operator/runtime/index.ts";
import type { EtcdCluster, Secret } from "../../src/operator/types/index.ts";
import { execute } from "./commands.ts";
import { api } from "./environment.ts";

/** Options of a Client; with `tls` where the cluster has it. */
export type Access = Pick<ClientOptions, "endpoints" | "tls" | "requestTimeoutMs">;

/** For requests that are to be answered, however busy the machine is; the default of clients is 5 s. */
const answerMs = 60_000;

export const hasTls = (cluster: EtcdCluster): boolean =>
  (cluster.status?.tls?.client ?? "Disabled") !== "Disabled";

/** A field of `<cluster>-client`, or of another Secret, as text. */
export async function secretField(
  namespace: string,
  secret: string,
  field: string,
): Promise<string> {
  const { data } = await api.get<Secret>(resources.secrets, namespace, secret);
  return Buffer.from(data?.[field] ?? "", "base64").toString("utf8");
}

/** `address` is an IP address of a Service or a pod, which no certificate names: `serverName` does. */
export async function accessTo(
  cluster: EtcdCluster,
  address: string,
  serverName: string,
): Promise<Access> {
  const requestTimeoutMs = answerMs;
  if (!hasTls(cluster)) return { endpoints: [`http://${address}:2379`], requestTimeoutMs };
  const { name, namespace = "" } = cluster.metadata;
  const field = async (key: string): Promise<Buffer> =>
    Buffer.from(await secretField(namespace, `${name}-client`, key));
  const [ca, cert, key] = [await field("ca.crt"), await field("tls.crt"), await field("tls.key")];
  const tls = { ca, cert, key, serverName };
  return { endpoints: [`https://${address}:2379`], tls, requestTimeoutMs };
}

/**
 * The real etcdctl. It checks the name it dials, and cannot be told another one: with TLS it goes through a local
 * port, as with `kubectl port-forward`, since certificates name localhost.
 */
export async function etcdctl(access: Access, args: readonly string[]): Promise<string> {
  const [endpoint = ""] = access.endpoints;
  const patient = `--command-timeout=${answerMs}ms`;
  if (access.tls === undefined) {
    return execute(["etcdctl", patient, `--endpoints=${endpoint}`, ...args]);
  }
  const folder = await mkdtemp(join(tmpdir(), "quoin-e2e-tls-"));
  await using tunnel = await Tunnel.open(new URL(endpoint).hostname);
  try {
    const { ca, cert, key } = access.tls;
    const flags: string[] = [];
    for (const [flag, content] of Object.entries({ cacert: ca, cert, key })) {
      const file = join(folder, flag);
      await writeFile(file, content ?? "", { mode: 0o600 });
      flags.push(`--${flag}=${file}`);
    }
    return await execute(["etcdctl", patient, `--endpoints=${tunnel.url}`, ...flags, ...args]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A port on loopback that leads to port 2379 of an address. */
class Tunnel implements AsyncDisposable {
  readonly url: string;
  readonly #close: () => Promise<void>;

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async open(address: string): Promise<Tunnel> {
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(2379, address);
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    return new Tunnel(`https://127.0.0.1:${port}`, async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

// A real S3 server beside the test cluster: a process of this machine on an address that pods reach.

import { S3Server } from "../../test/backup/s3-server.ts";
import { TcpProxy } from "../../test/backup/tcp-proxy.ts";
import { execute } from "./commands.ts";
import { kubectl } from "./environment.ts";

/** Name of the Secret that putSecret makes. */
const secretName = "s3-credentials";

/** An S3 server of one test file. Dispose it (or `await s3.stop()` in after()). */
export class TestS3 implements AsyncDisposable {
  readonly server: S3Server;
  readonly #host: string;
  readonly #proxies: TcpProxy[] = [];

  private constructor(server: S3Server, host: string) {
    this.server = server;
    this.#host = host;
  }

  /** With these buckets; `roomBytes`: the storage is full at that size. */
  static async start(
    buckets: readonly string[],
    options: { readonly roomBytes?: number } = {},
  ): Promise<TestS3> {
    const settings = ". e2e/cluster/settings.sh && echo $host_ip";
    const host = (await execute(["bash", "-c", settings])).trim();
    const server = await S3Server.start({ host, ...options });
    try {
      for (const bucket of buckets) await server.createBucket(bucket);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return new TestS3(server, host);
  }

  /** URL as pods use it. */
  get endpoint(): string {
    return this.server.endpoint;
  }

  /** Puts the credentials into a Secret of the namespace; returns its name. */
  async putSecret(
    namespace: string,
    change: { readonly secretKey?: string } = {},
  ): Promise<string> {
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = this.server.env;
    const stringData = {
      AWS_ACCESS_KEY_ID,
      AWS_SECRET_ACCESS_KEY: change.secretKey ?? AWS_SECRET_ACCESS_KEY,
    };
    const metadata = { name: secretName, namespace };
    const secret = { apiVersion: "v1", kind: "Secret", metadata, stringData };
    await kubectl(["apply", "-f", "-"], JSON.stringify(secret));
    return secretName;
  }

  /** Stores an object as somebody else would. */
  put(bucket: string, key: string, text: string): Promise<void> {
    return this.server.put(bucket, key, text);
  }

  /** A destination as specs have it; `through`: endpoint of a slow() in front. */
  destination(bucket: string, prefix?: string, through = this.endpoint) {
    return {
      s3: {
        endpoint: through,
        bucket,
        ...(prefix !== undefined && { prefix }),
        region: "us-east-1",
        forcePathStyle: true,
        credentialsSecretRef: { name: secretName },
      },
    };
  }

  /** A way to the server on which uploads are slow, to catch a Job in the middle of one. */
  async slow(bytesPerSecond: number): Promise<TcpProxy> {
    const proxy = await TcpProxy.start(this.endpoint, this.#host);
    proxy.slowUploads(bytesPerSecond);
    this.#proxies.push(proxy);
    return proxy;
  }

  async stop(): Promise<void> {
    for (const proxy of this.#proxies) await proxy[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

// A proxy on a connection's way that can be slow, or cut it.

import { connect, createServer, type Server, type Socket } from "node:net";

/** One listening port in front of another; every fault is for what comes after it is asked for. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();
  #host = "";
  #downLeft = Number.POSITIVE_INFINITY;
  #upLeft = Number.POSITIVE_INFINITY;
  #damageUpLeft = Number.POSITIVE_INFINITY;
  #upPerSecond = Number.POSITIVE_INFINITY;
  #heldAfterDown = Number.POSITIVE_INFINITY;
  #damaged: string | undefined;
  #losesWhen: (() => Promise<boolean>) | undefined;
  /** Connections that were cut. */
  cuts = 0;
  /** Bytes that came from clients. */
  upBytes = 0;
  /** Bytes that came from the server. */
  downBytes = 0;

  private constructor(target: URL) {
    this.#target = { host: target.hostname, port: Number(target.port) };
    this.#server = createServer((socket) => this.#onClient(socket));
  }

  /** In front of the server at this URL. */
  static async start(target: string, host = "127.0.0.1"): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(target));
    proxy.#host = host;
    await new Promise<void>((resolve) => proxy.#server.listen(0, host, resolve));
    return proxy;
  }

  /** URL to use in place of the target's. */
  get endpoint(): string {
    return `http://${this.#host}:${(this.#server.address() as { port: number }).port}`;
  }

  /** Once so many bytes more have come from the server, their connection is cut; once. */
  cutAfterDown(bytes: number): void {
    this.#downLeft = bytes;
  }

  /** Once so many bytes more have come from the server, no more are passed on; for good. */
  holdAfterDown(bytes: number): void {
    this.#heldAfterDown = bytes;
  }

  /** The first letter of this text is another one in whatever comes from the server. */
  damageDown(text: string): void {
    this.#damaged = text;
  }

  /** Once so many bytes more have gone to the server, their connection is cut; once. */
  cutAfterUp(bytes: number): void {
    this.#upLeft = bytes;
  }

  /** The first answer that comes when this holds is not passed on, and its connection is cut; once. */
  loseAnswersOnce(when: () => Promise<boolean>): void {
    this.#losesWhen = when;
  }

  /** Once so many bytes more have gone to the server, one bit of what follows is another; once. */
  damageAfterUp(bytes: number): void {
    this.#damageUpLeft = bytes;
  }

  /** All uploads together go at this rate. */
  slowUploads(bytesPerSecond: number): void {
    this.#upPerSecond = bytesPerSecond;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #onClient(client: Socket): void {
    const server = connect(this.#target.port, this.#target.host);
    const cut = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", cut).on("close", () => {
        this.#sockets.delete(socket);
        cut();
      });
    }
    client.on("data", (chunk: Buffer) => {
      this.upBytes += chunk.byteLength;
      this.#upLeft -= chunk.byteLength;
      this.#damageUpLeft -= chunk.byteLength;
      if (this.#damageUpLeft <= 0) {
        this.#damageUpLeft = Number.POSITIVE_INFINITY;
        chunk[0] = (chunk[0] ?? 0) ^ 1;
      }
      if (this.#upLeft <= 0) {
        this.#upLeft = Number.POSITIVE_INFINITY;
        this.cuts++;
        cut();
        return;
      }
      this.#pass(chunk, client, server);
      if (this.#upPerSecond === Number.POSITIVE_INFINITY) return;
      client.pause();
      setTimeout(() => client.resume(), (chunk.byteLength / this.#upPerSecond) * 1000);
    });
    server.on("data", (chunk: Buffer) => {
      this.downBytes += chunk.byteLength;
      this.#heldAfterDown -= chunk.byteLength;
      if (this.#heldAfterDown <= 0) {
        server.pause();
        return;
      }
      const damagedAt = this.#damaged === undefined ? -1 : chunk.indexOf(this.#damaged);
      if (damagedAt >= 0) chunk[damagedAt] = (chunk[damagedAt] ?? 0) ^ 1;
      if (this.#losesWhen !== undefined) {
        server.pause();
        void this.#loseOrPass(chunk, server, client, cut);
        return;
      }
      if (chunk.byteLength < this.#downLeft) {
        this.#downLeft -= chunk.byteLength;
        this.#pass(chunk, server, client);
        return;
      }
      const passed = chunk.subarray(0, this.#downLeft);
      this.#downLeft = Number.POSITIVE_INFINITY;
      this.cuts++;
      client.write(passed, cut);
    });
  }

  async #loseOrPass(chunk: Buffer, server: Socket, client: Socket, cut: () => void) {
    if (await this.#losesWhen?.()) {
      this.#losesWhen = undefined;
      this.cuts++;
      cut();
      return;
    }
    this.#pass(chunk, server, client);
    server.resume();
  }

  #pass(chunk: Buffer, from: Socket, to: Socket): void {
    if (to.write(chunk)) return;
    from.pause();
    to.once("drain", () => from.resume());
  }
}

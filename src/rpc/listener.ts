/** Where plain connections come from: a TCP port or a Unix socket. */
import { lstatSync, unlinkSync } from "node:fs";
import net from "node:net";
import type { Listener, ListenOptions } from "./types.ts";

export class ServerListener implements Listener {
  readonly #options: ListenOptions;
  readonly #server: net.Server;
  #closed: Promise<void> | undefined;
  #address = "";

  constructor(options: ListenOptions, onSocket: (socket: net.Socket) => void) {
    this.#options = options;
    // HTTP/1.x clients may close their half and still wait for the answer.
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, onSocket);
  }

  get address(): string {
    return this.#address;
  }

  async open(): Promise<void> {
    const { host, port, unixPath } = this.#options;
    if (unixPath !== undefined) removeStaleSocket(unixPath);
    const where = unixPath !== undefined ? { path: unixPath } : { port: port ?? 0, host };
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ ...where } as net.ListenOptions, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    const bound = this.#server.address();
    if (bound === null || typeof bound === "string") this.#address = bound ?? "";
    else this.#address = `${host?.includes(":") ? `[${host}]` : (host ?? "")}:${bound.port}`;
  }

  /** Accepts no more; `close` waits for it. */
  stop(): void {
    // net.Server's own close waits for its connections too, which are none of the listener's
    // business: the port is free at once.
    this.#closed ??= new Promise((resolve) => {
      this.#server.close();
      setImmediate(resolve);
    });
  }

  close(): Promise<void> {
    this.stop();
    return this.#closed!;
  }
}

/** What a process that was killed left behind; etcd removes it, too. Anything else stays. */
function removeStaleSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) unlinkSync(path);
}

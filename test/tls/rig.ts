// A listener of src/tls that answers a byte, and clients that ask for it.

import { connect as connectPlain, type Socket } from "node:net";
import tls from "node:tls";
import { createClock } from "../../src/io/index.ts";
import type { Logger } from "../../src/ports/index.ts";
import {
  type Listener,
  type ListenerOptions,
  listen,
  TlsContexts,
  type TlsFiles,
} from "../../src/tls/index.ts";

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function recordingLogger(): { logger: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: string) =>
    (msg: string, fields: object = {}): void => {
      lines.push({ level, msg, fields: { ...fields } });
    };
  const logger: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
  };
  return { logger, lines };
}

export const files = (given: Partial<TlsFiles>): TlsFiles => ({
  certFile: undefined,
  keyFile: undefined,
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
  ...given,
});

export class Rig implements AsyncDisposable {
  readonly lines: LogLine[];
  readonly contexts: TlsContexts;
  readonly listener: Listener;

  private constructor(lines: LogLine[], contexts: TlsContexts, listener: Listener) {
    this.lines = lines;
    this.contexts = contexts;
    this.listener = listener;
  }

  static async start(
    given: Partial<TlsFiles>,
    options: Partial<ListenerOptions> = {},
  ): Promise<Rig> {
    const { logger, lines } = recordingLogger();
    const contexts = new TlsContexts({ files: files(given), logger });
    const listener = await listen({
      where: { host: "127.0.0.1", port: 0 },
      plain: false,
      tls: contexts,
      endpoint: "client",
      protocols: ["http/1.1", "h2"],
      clock: createClock(),
      logger,
      onSocket: echo,
      ...options,
    });
    return new Rig(lines, contexts, listener);
  }

  get port(): number {
    return Number(this.listener.address.split(":").at(-1));
  }

  /** What went wrong with connections, by the log. */
  rejections(): string[] {
    return this.lines
      .filter((l) => l.msg.startsWith("rejected connection"))
      .map((l) => String(l.fields["error"]));
  }

  /** Connects and asks for an echo; "refused" however it fails. */
  async ask(options: tls.ConnectionOptions = {}): Promise<"served" | "refused"> {
    const socket = tls.connect({ host: "127.0.0.1", port: this.port, ...options });
    try {
      return (await askFor(socket)) ? "served" : "refused";
    } finally {
      socket.destroy();
    }
  }

  async askPlain(): Promise<"served" | "refused"> {
    const socket = connectPlain({ host: "127.0.0.1", port: this.port });
    try {
      return (await askFor(socket)) ? "served" : "refused";
    } finally {
      socket.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close();
  }
}

function echo(socket: Socket): void {
  socket.on("error", () => undefined);
  socket.on("data", (bytes) => socket.write(bytes));
}

/** Whether the socket echoes; keeps it open. */
export function askFor(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
    socket.once("data", () => resolve(true));
    socket.write("GET / HTTP/1.1\r\n\r\n");
  });
}

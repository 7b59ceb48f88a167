/** TLS of a client: which endpoints get it, what it shows and whom it believes, as clientv3. */
import type { NetConnectOpts, Socket } from "node:net";
import type { SecureContext } from "node:tls";
import { type Connect, DialFailure } from "../rpc/client/index.ts";

// An import would load all that a module can do. TLS is loaded where it is spoken: a short command
// would pay more for it than for its own work.
const { connect, isIPv4, isIPv6 } = process.getBuiltinModule("node:net");
const tls = () => process.getBuiltinModule("node:tls");
const crypto = () => process.getBuiltinModule("node:crypto");

/** Bytes of PEM files; without `ca` the system's roots are trusted. */
export interface TlsOptions {
  /** One or more certificates, roots or not. */
  readonly ca?: Uint8Array;
  readonly cert?: Uint8Array;
  readonly key?: Uint8Array;
  /** What servers' certificates must be good for, instead of the endpoint's host. */
  readonly serverName?: string;
  /** Accepts any server certificate: for tests only. */
  readonly insecureSkipVerify?: boolean;
}

/** Where an endpoint is, as gRPC says it, and how to speak there. */
export interface EndpointParts {
  readonly target: string;
  /** "optional": as the client's options say. */
  readonly secure: boolean | "optional";
  /** What the certificate shown there must be good for. */
  readonly serverName: string;
}

/**
 * `http://host:port`, `https://...`, `host:port`, `unix://path` (relative), `unix:///path`, `unix:path` and
 * the same with unixs (etcd client/v3 internal/endpoint).
 */
export function parseEndpoint(endpoint: string): EndpointParts {
  const unix = /^(unixs?):(?:\/\/)?(.*)$/.exec(endpoint);
  if (unix !== null) {
    const path = unix[2] ?? "";
    const name = path.slice(path.lastIndexOf("/") + 1);
    const secure = unix[1] === "unixs" ? true : "optional";
    return { target: `unix:${path}`, secure, serverName: hostOf(name) };
  }
  const web = /^(https?):\/\/([^/]*)/.exec(endpoint);
  const target = web?.[2] ?? endpoint;
  const secure = web === null ? "optional" : web[1] === "https";
  return { target, secure, serverName: hostOf(target) };
}

/** Node's pattern for IPv6 takes milliseconds to compile: what has not two colons is not asked about. */
const isAddress = (text: string): boolean =>
  isIPv4(text) || (text.indexOf(":") !== text.lastIndexOf(":") && isIPv6(text));

/** Without the port; a bare IPv6 address stays whole. */
function hostOf(target: string): string {
  const bracketed = /^\[(.*)\](:\d*)?$/.exec(target);
  if (bracketed !== null) return bracketed[1] ?? "";
  return isAddress(target) ? target : target.replace(/:[^:]*$/, "");
}

/** How to get to an endpoint, for a channel. */
export interface Dialer {
  readonly connect: Connect;
  readonly isSecure: boolean;
  /** What requests call the endpoint (clientv3 authority: what stands behind its scheme). */
  readonly authority: string;
}

/** Throws Error when certificate and key are no PEM or do not belong together. */
export function dialer(parts: EndpointParts, options: TlsOptions | undefined): Dialer {
  const isSecure = parts.secure === "optional" ? options !== undefined : parts.secure;
  const where = addressOf(parts.target);
  const name = options?.serverName ?? parts.serverName;
  const authority = parts.target.replace(/^unix:/, "");
  const context = isSecure ? secureContext(options) : undefined;
  return {
    isSecure,
    authority: authority.includes("/") ? "localhost" : authority,
    connect: (done) => {
      const socket = connect(where);
      socket.setNoDelay(true);
      const fail = (): void => done(new DialFailure());
      socket.once("error", fail);
      let secured: Socket | undefined;
      socket.once("connect", () => {
        socket.off("error", fail);
        if (context === undefined) done(socket);
        else secured = shakeHands(socket, context, name, options, done);
      });
      return () => {
        socket.off("error", fail);
        socket.on("error", () => undefined);
        socket.destroy();
        secured?.destroy();
      };
    },
  };
}

/** gRPC's default port is 443. */
function addressOf(target: string): NetConnectOpts {
  if (target.startsWith("unix:")) return { path: target.slice("unix:".length) };
  const port = /:(\d+)$/.exec(target)?.[1];
  const isBare = isAddress(target) || port === undefined;
  return { host: hostOf(target), port: isBare ? 443 : Number(port) };
}

function secureContext(options: TlsOptions | undefined): SecureContext {
  const { ca, cert, key, insecureSkipVerify } = options ?? {};
  const trusted = ca ?? (insecureSkipVerify ? [] : tls().getCACertificates("system"));
  return tls().createSecureContext({
    ca: trusted instanceof Uint8Array ? Buffer.from(trusted) : trusted,
    // As Go, which trusts what it is given, be it no root.
    allowPartialTrustChain: true,
    ...(cert === undefined ? {} : { cert: Buffer.from(cert) }),
    ...(key === undefined ? {} : { key: Buffer.from(key) }),
  });
}

function shakeHands(
  socket: Socket,
  context: SecureContext,
  name: string,
  options: TlsOptions | undefined,
  done: (outcome: Socket | Error) => void,
): Socket {
  const secured = tls().connect({
    socket,
    secureContext: context,
    servername: isAddress(name) ? "" : name,
    ALPNProtocols: ["h2"],
    rejectUnauthorized: options?.insecureSkipVerify !== true,
    checkServerIdentity: (_, shown) => identityProblem(name, shown.raw),
  });
  const onClose = (): void => fail(new Error("the server closed the connection"));
  const fail = ({ message }: Error): void => {
    secured.off("close", onClose);
    secured.on("error", () => undefined);
    done(new DialFailure(message));
  };
  secured.once("error", fail);
  secured.once("close", onClose);
  secured.once("secureConnect", () => {
    secured.off("close", onClose);
    secured.off("error", fail);
    done(secured);
  });
  return secured;
}

/** Go's VerifyHostname: alternative names only, never the CN. */
function identityProblem(name: string, raw: Buffer): Error | undefined {
  const cert = new (crypto().X509Certificate)(raw);
  const isGood = isAddress(name)
    ? cert.checkIP(name)
    : cert.checkHost(name, { subject: "never", partialWildcards: false });
  if (isGood !== undefined) return undefined;
  const names = cert.subjectAltName ?? "no name";
  return new Error(`the server's certificate is for ${names}, not for ${name}`);
}

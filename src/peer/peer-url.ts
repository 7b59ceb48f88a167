/** Peer URLs as sockets to dial or to listen on. */
import type { RequestOptions } from "node:http";
import { isSecure, type ListenUrl, whereOf } from "../tls/index.ts";

/** Splits `https://host:port` or `unix://path`; the port may be left out. Never throws. */
export function splitUrl(text: string): ListenUrl {
  const match = /^(https?|unixs?):\/\/([^/]*)(.*)$/.exec(text);
  if (match === null) return nowhere;
  const [, scheme = "", host = "", path = ""] = match;
  if (scheme.startsWith("unix")) return { scheme, host, path };
  if (!URL.canParse(text)) return nowhere;
  const { hostname, port } = new URL(text);
  const standard = scheme === "https" ? "443" : "80";
  return { scheme, host: `${hostname}:${port === "" ? standard : port}`, path: "" };
}

/** Nothing listens on port 0. */
const nowhere: ListenUrl = { scheme: "http", host: "127.0.0.1:0", path: "" };

/** Where a URL is dialled; `name` is what the certificate shown there must be good for. */
export interface Target {
  readonly secure: boolean;
  readonly name: string;
  readonly options: Pick<RequestOptions, "host" | "port" | "socketPath">;
}

export function targetOf(text: string): Target {
  const url = splitUrl(text);
  const where = whereOf(url);
  const secure = isSecure(url);
  if ("path" in where) {
    const name = url.host.replace(/:\d*$/, "");
    return { secure, name, options: { socketPath: where.path } };
  }
  return { secure, name: where.host, options: { host: where.host, port: where.port } };
}

/** Listen URLs as sockets. */
import type { Where } from "./listener.ts";

/** A URL as etcd splits it; core/membership's MemberUrl is one. */
export interface ListenUrl {
  readonly scheme: string;
  /** host:port; of a unix URL what stands before the first slash. */
  readonly host: string;
  readonly path: string;
}

/** Whether it asks for TLS. */
export const isSecure = (url: ListenUrl): boolean =>
  url.scheme === "https" || url.scheme === "unixs";

/**
 * `unix://localhost:2379` is the file `localhost:2379` in the working directory, `unix:///run/x`
 * the file /run/x (etcd embed resolveURL).
 */
export function whereOf(url: ListenUrl): Where {
  if (url.scheme === "unix" || url.scheme === "unixs") return { path: url.host + url.path };
  const colon = url.host.lastIndexOf(":");
  const host = url.host.slice(0, colon).replace(/^\[|\]$/g, "");
  const port = Number(url.host.slice(colon + 1));
  return { host, port };
}

// Discovery as the flags ask for it: the registry's client out of its files, DNS out of the system.

import { lookup, resolveSrv } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { Client, type TlsOptions } from "../client/index.ts";
import { findBySrv, joinRegistry, type Resolver } from "../discovery/index.ts";
import type { Clock, Logger } from "../ports/index.ts";
import type { RegistryConfig, ServerConfig, SrvConfig } from "../server/config/index.ts";
import type { Discovery } from "../server/index.ts";

export interface DiscoveryOptions {
  readonly config: ServerConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends waiting for others. */
  readonly signal: AbortSignal;
  /** Other members will show certificates for this name, whatever host they are dialled at. */
  readonly expectName: (name: string) => void;
}

/** Undefined where --initial-cluster says everything. */
export function createDiscovery(o: DiscoveryOptions): Discovery | undefined {
  const { registry, srv } = o.config;
  if (registry !== undefined) return byRegistry(o, registry);
  return srv === undefined ? undefined : bySrv(o, srv);
}

function byRegistry(o: DiscoveryOptions, registry: RegistryConfig): Discovery {
  return {
    kind: "registry",
    join: async (self, own) => {
      const { token, requestTimeoutMs } = registry;
      using client = openClient(registry);
      return await joinRegistry({ ...o, client, token, requestTimeoutMs }, self, own);
    },
  };
}

/** Throws Error for files that cannot be used. */
function openClient(c: RegistryConfig): Client {
  const tls = tlsOf(c);
  return new Client({
    endpoints: c.endpoints,
    dialTimeoutMs: c.dialTimeoutMs,
    requestTimeoutMs: c.requestTimeoutMs,
    keepaliveTimeMs: c.keepAliveTimeMs,
    keepaliveTimeoutMs: c.keepAliveTimeoutMs,
    ...(tls === undefined ? {} : { tls }),
    ...(c.user === undefined ? {} : { user: c.user }),
  });
}

/** As clientv3 newTLSConfig: any file, or a word against it, asks for TLS. */
function tlsOf(c: RegistryConfig): TlsOptions | undefined {
  const { certFile, keyFile, caFile, insecureSkipVerify } = c;
  if ((certFile === "") !== (keyFile === "")) {
    throw new Error(
      `KeyFile and CertFile must both be present[key: ${keyFile}, cert: ${certFile}]`,
    );
  }
  const [cert, key, ca] = [certFile, keyFile, caFile].map(read);
  if (cert !== undefined && key !== undefined) createSecureContext({ cert, key });
  const isAsked = cert !== undefined || ca !== undefined || insecureSkipVerify;
  if (!isAsked && c.insecureTransport) return undefined;
  return {
    insecureSkipVerify,
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
  };
}

function read(path: string): Buffer | undefined {
  if (path === "") return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const what = code === "ENOENT" ? `open ${path}: no such file or directory` : message;
    throw new Error(what, { cause: error });
  }
}

function bySrv(o: DiscoveryOptions, { domain, serviceName }: SrvConfig): Discovery {
  const { name, initialAdvertisePeerUrls: peerUrls, peerTls } = o.config;
  return {
    kind: "srv",
    find: async () => {
      const asked = { resolver, logger: o.logger, domain, serviceName, name, peerUrls };
      const { cluster, isSecure } = await findBySrv(asked);
      if (isSecure && peerTls?.trustedCaFile === undefined) o.expectName(domain);
      return cluster;
    },
  };
}

const resolver: Resolver = {
  srv: (name) => resolveSrv(name),
  address: async (host) => {
    const all = await lookup(host, { all: true });
    const found = all.find((a) => a.family === 4) ?? all[0];
    if (found === undefined) throw new Error("no address");
    return found.address;
  },
};

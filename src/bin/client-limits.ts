// What clients may use up: by flags, and by what the process is given of memory and descriptors.

import { readFileSync } from "node:fs";
import { defaultLimits, type Limits } from "../rpc/index.ts";
import type { ServerConfig } from "../server/config/index.ts";

const MiB = 1024 * 1024;
/** Left for files, peers and the engine (etcd: reservedInternalFDNum). */
const reservedDescriptors = 150;
const fewestConnections = 64;
/** The value of --max-concurrent-streams that means no limit, and etcd's default. */
const noLimit = 2 ** 32 - 1;

/** `memoryBytes`: what the process may use in all; undefined where nothing says so. */
export function clientLimits(c: ServerConfig, memoryBytes: number | undefined): Limits {
  const memory = memoryBytes ?? Number.POSITIVE_INFINITY;
  const share = (most: number, least: number, part: number): number =>
    Math.floor(Math.min(most, Math.max(least, memory / part)));
  return {
    ...defaultLimits,
    receiveMessageBytes: c.maxRequestBytes + 512 * 1024,
    ...(c.maxConcurrentStreams < noLimit ? { concurrentStreams: c.maxConcurrentStreams } : {}),
    pingMinIntervalMs: c.grpcKeepAliveMinTimeMs,
    keepAliveIntervalMs: c.grpcKeepAliveIntervalMs,
    keepAliveTimeoutMs: c.grpcKeepAliveTimeoutMs,
    serverQueueBytes: share(defaultLimits.serverQueueBytes, 128 * MiB, 4),
    serverHeldBytes: share(defaultLimits.serverHeldBytes, 64 * MiB, 8),
    connections: Math.max(
      fewestConnections,
      Math.min(defaultLimits.connections, openFilesLimit() - reservedDescriptors),
    ),
  };
}

/** The process's limit of open files, which Node has raised as far as it may. */
function openFilesLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

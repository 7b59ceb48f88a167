import type { Limits } from "./types.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/**
 * etcd's defaults where it has them (server/embed/config.go), else grpc-go's, else ours. etcd bounds
 * neither streams nor connections nor memory.
 */
export const defaultLimits: Limits = {
  receiveMessageBytes: 1.5 * MiB + 512 * KiB,
  concurrentStreams: 32 * 1024,
  headerListBytes: 64 * KiB,
  streamWindowBytes: 1 * MiB,
  connectionWindowBytes: 4 * MiB,
  streamQueueBytes: 1 * MiB,
  connectionQueueBytes: 256 * MiB,
  serverQueueBytes: 1024 * MiB,
  serverHeldBytes: 512 * MiB,
  connections: 16 * 1024,
  calls: 256 * 1024,
  handshakeMs: 5_000,
  pingMinIntervalMs: 5_000,
  keepAliveIntervalMs: 2 * 3600_000,
  keepAliveTimeoutMs: 20_000,
};

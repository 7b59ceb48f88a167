import type { MemberId } from "../core/types.ts";
import { hexId } from "../core/types.ts";
import type { Clock, Faults, Logger } from "../ports/index.ts";
import type { TlsContexts } from "../tls/index.ts";
import type {
  PeerHandler,
  PeerIdentity,
  PeerLimits,
  PeerMetrics,
  PeerTimes,
  TransportOptions,
} from "./types.ts";

/** The options with every default filled in; shared by the parts of one transport. */
export interface Settings {
  readonly identity: PeerIdentity;
  readonly handler: PeerHandler;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly faults: Faults;
  readonly metrics: PeerMetrics;
  readonly times: PeerTimes;
  readonly limits: PeerLimits;
  readonly tls: TlsContexts | undefined;
  /** Our ids as headers print them. */
  readonly localHex: string;
  readonly clusterHex: string;
}

const defaultTimes: PeerTimes = {
  dialTimeoutMs: 1000,
  readTimeoutMs: 5000,
  writeTimeoutMs: 5000,
  dialRetryMs: 100,
  dialRetryMaxMs: 500,
  probeIntervalMs: 4000,
  snapshotIdleMs: 120_000,
};

const defaultLimits: PeerLimits = {
  queuedMessages: 4096,
  queuedBytes: 64 << 20,
  pipelineMessages: 64,
  pipelinePosts: 4,
  messageBytes: 512 << 20,
  snapshotMessageBytes: 64 << 20,
};

const nothing = (_id?: MemberId): void => undefined;

const noMetrics: PeerMetrics = {
  sent: nothing,
  received: nothing,
  sendFailed: nothing,
  receiveFailed: nothing,
  activity: nothing,
  roundTrip: nothing,
  snapshotSent: nothing,
  snapshotReceived: nothing,
};

export function fillSettings(options: TransportOptions): Settings {
  const { identity, handler, clock, logger } = options;
  return {
    identity,
    handler,
    clock,
    logger: logger.child({ "local-member-id": hexId(identity.localId) }),
    faults: options.faults ?? { hit: () => undefined },
    metrics: options.metrics ?? noMetrics,
    times: { ...defaultTimes, ...options.times },
    limits: { ...defaultLimits, ...options.limits },
    tls: options.tls,
    localHex: hexId(identity.localId),
    clusterHex: hexId(identity.clusterId),
  };
}

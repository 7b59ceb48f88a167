/** What the peer transport tells, by the other member. Members come and go: few, and bounded by hand. */
import type { Registry } from "prom-client";
import { hexId } from "../../core/types.ts";
import { Distribution, exponential } from "../../lib/distribution.ts";
import { addHistogram, addReadings, type Labels } from "./page-metrics.ts";

/** More than any cluster has had; those known longest are forgotten beyond it. */
const peersMax = 256;
const roundTrips = exponential(0.0001, 2, 16);
const transfers = exponential(0.1, 2, 10);

/** Calls of the transport; ids are members'. */
export interface PeerFeed {
  readonly peerSent: (to: bigint, bytes: number) => void;
  readonly peerReceived: (from: bigint, bytes: number) => void;
  readonly peerRoundTrip: (to: bigint, seconds: number) => void;
  readonly peerSendFailed: (to: bigint) => void;
  readonly peerReceiveFailed: (from: bigint | undefined) => void;
  readonly peerActive: (id: bigint, active: boolean) => void;
  readonly snapshotSent: (to: bigint, ok: boolean, seconds: number) => void;
  readonly snapshotReceived: (from: bigint, ok: boolean, seconds: number) => void;
}

/** Figures of one peer; undefined until there was something to count, as in etcd's vectors. */
interface PeerFigures {
  sentBytes?: number;
  receivedBytes?: number;
  sendFailures?: number;
  receiveFailures?: number;
  disconnected?: number;
  snapshotsSent?: number;
  snapshotsUnsent?: number;
  snapshotsReceived?: number;
  snapshotsUnread?: number;
  roundTrip?: Distribution;
  snapshotSend?: Distribution;
  snapshotReceive?: Distribution;
}

type Count = {
  [K in keyof PeerFigures]-?: number extends PeerFigures[K] ? K : never;
}[keyof PeerFigures];
type Spread = Exclude<keyof PeerFigures, Count>;

const counters: readonly (readonly [string, string, "To" | "From", Count])[] = [
  ["etcd_network_peer_sent_bytes_total", "Bytes sent to peers.", "To", "sentBytes"],
  ["etcd_network_peer_received_bytes_total", "Bytes received.", "From", "receivedBytes"],
  ["etcd_network_peer_sent_failures_total", "Messages not sent.", "To", "sendFailures"],
  ["etcd_network_peer_received_failures_total", "Bad messages.", "From", "receiveFailures"],
  ["etcd_network_snapshot_send_success", "Snapshots sent.", "To", "snapshotsSent"],
  ["etcd_network_snapshot_send_failures", "Snapshots not sent.", "To", "snapshotsUnsent"],
  ["etcd_network_snapshot_receive_success", "Received.", "From", "snapshotsReceived"],
  ["etcd_network_snapshot_receive_failures", "Not received.", "From", "snapshotsUnread"],
];

const histograms: readonly (readonly [string, string, "To" | "From", Spread])[] = [
  ["etcd_network_peer_round_trip_time_seconds", "Round trips.", "To", "roundTrip"],
  ["etcd_network_snapshot_send_total_duration_seconds", "Sending.", "To", "snapshotSend"],
  ["etcd_network_snapshot_receive_total_duration_seconds", "Receiving.", "From", "snapshotReceive"],
];

export function addPeerMetrics(registry: Registry, local: () => string | undefined): PeerFeed {
  /** By member id; undefined stands for a sender that did not say who it is. */
  const peers = new Map<bigint | undefined, PeerFigures>();
  const of = (id: bigint | undefined): PeerFigures => {
    let p = peers.get(id);
    if (p !== undefined) return p;
    p = {};
    peers.set(id, p);
    if (peers.size > peersMax) peers.delete(peers.keys().next().value);
    return p;
  };
  const count = (id: bigint | undefined, what: Count, n = 1): void => {
    const p = of(id);
    p[what] = (p[what] ?? 0) + n;
  };
  const observe = (id: bigint, what: Spread, bounds: readonly number[], seconds: number): void => {
    const p = of(id);
    p[what] ??= new Distribution(bounds);
    p[what].observe(seconds);
  };
  function* read<K extends keyof PeerFigures>(
    what: K,
    labels: (id: string) => Labels,
  ): Generator<[Labels, NonNullable<PeerFigures[K]>]> {
    for (const [id, p] of peers) {
      const value = p[what];
      if (value !== undefined) yield [labels(id === undefined ? "" : hexId(id)), value];
    }
  }
  for (const [name, help, label, what] of counters) {
    addReadings(registry, "counter", name, help, () => read(what, (id) => ({ [label]: id })));
  }
  addReadings(
    registry,
    "counter",
    "etcd_network_disconnected_peers_total",
    "Connections to peers that were lost.",
    () => read("disconnected", (Remote) => ({ Local: local() ?? "", Remote })),
  );
  for (const [name, help, label, what] of histograms) {
    addHistogram(registry, name, help, () => read(what, (id) => ({ [label]: id })));
  }
  return {
    peerSent: (to, bytes) => count(to, "sentBytes", bytes),
    peerReceived: (from, bytes) => count(from, "receivedBytes", bytes),
    peerRoundTrip: (to, seconds) => observe(to, "roundTrip", roundTrips, seconds),
    peerSendFailed: (to) => count(to, "sendFailures"),
    peerReceiveFailed: (from) => count(from, "receiveFailures"),
    peerActive: (id, active) => {
      if (!active) count(id, "disconnected");
    },
    snapshotSent: (to, ok, seconds) => {
      count(to, ok ? "snapshotsSent" : "snapshotsUnsent");
      if (ok) observe(to, "snapshotSend", transfers, seconds);
    },
    snapshotReceived: (from, ok, seconds) => {
      count(from, ok ? "snapshotsReceived" : "snapshotsUnread");
      if (ok) observe(from, "snapshotReceive", transfers, seconds);
    },
  };
}

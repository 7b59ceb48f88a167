/**
 * Raft messages and snapshots between members: etcd's rafthttp, so that etcd members and ours may
 * sit in one cluster. Source: etcd server/etcdserver/api/rafthttp, etcdhttp/peer.go.
 *
 * `Transport` sends and receives; `PeerListener` serves the peer port (the transport's paths and
 * the server's own routes); `askPeer` and friends are one-shot requests to another member.
 *
 * A member dials every peer twice (GET /raft/stream/msgapp/<id> and /message/<id>) and *reads*
 * from these connections; what it sends travels over the connections the peer dialled. Without a
 * stream a message goes by POST /raft, a snapshot always by POST /raft/snapshot.
 */
export type { PeerListenerOptions } from "./listener.ts";
export { PeerListener } from "./listener.ts";
export type { FetchedMembers, PeerAnswer, PeerQuestion, PeerVersions } from "./requests.ts";
export { askPeer, fetchMembers, fetchVersions } from "./requests.ts";
export { lookAt } from "./sight.ts";
export { Transport } from "./transport.ts";
export type {
  OutgoingSnapshot,
  PeerHandler,
  PeerIdentity,
  PeerLimits,
  PeerMetrics,
  PeerReply,
  PeerRequest,
  PeerRoute,
  PeerRoutes,
  PeerTimes,
  TransportOptions,
} from "./types.ts";

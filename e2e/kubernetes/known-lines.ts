// What the API server may log in the story of kubernetes.e2e.ts: each class was seen with real etcd in
// the place of our members (docs/kubernetes.md), or follows from a cause that was.

import type { LineClass } from "./log-lines.ts";

interface KnownLine {
  readonly text: RegExp;
  readonly reason: string;
}

/** How Go names a connection that its other end, being killed, let go of. */
const brokenConnection =
  /(connection refused|operation was canceled|context canceled|connection reset by peer|broken pipe|use of closed network connection|EOF|transport is closing|deadline exceeded)/
    .source;

/** etcd's answers while a leader is missing. */
const leaderless =
  /etcdserver: (request timed out|request timed out, possibly due to previous leader failure|request timed out, possibly due to connection lost|leader changed|no leader)/
    .source;

/** "no leader" for requests only: watches that were told so in a failover were a bug of ours. */
const known: readonly KnownLine[] = [
  {
    text: new RegExp(
      `^W logging\\.go: .*createTransport failed to connect to .*${brokenConnection}`,
    ),
    reason: "a member is down: the etcd client tries to reach it again",
  },
  {
    text: new RegExp(
      `^E \\w+\\.go: .*code = Unavailable desc = (error reading from server: .*)?${brokenConnection}`,
    ),
    reason: "a request was under way on a connection to a killed member",
  },
  {
    text: new RegExp(`^E \\w+\\.go: .*${leaderless}`),
    reason: "a request was under way when the leader was killed",
  },
  {
    text: new RegExp(
      `^W etcd-client: retrying of unary invoker failed .*code = Unavailable desc = .*(${brokenConnection}|${leaderless})`,
    ),
    reason: "the same two, as the etcd client tells them",
  },
  {
    text: /^E controller\.go: "Failed to update lease" .*Operation cannot be fulfilled on leases/,
    reason:
      "the answer to a renewal was lost with a killed member: the next try meets what the first has written",
  },
  {
    text: /^W etcd-client: retrying of unary invoker failed .*(code = (DeadlineExceeded|Canceled) desc|context (deadline exceeded|canceled))/,
    reason: "a request's own deadline passed while a leader was missing",
  },
  {
    text: /^W etcd-client: retrying of unary invoker failed .*KV\/Range .*mvcc: required revision has been compacted/,
    reason: "a list went on with a continue token older than the compaction: the story asks for it",
  },
  {
    text: /^W watcher\.go: watch chan error: etcdserver: mvcc: required revision has been compacted/,
    reason:
      "the watch of a quiet collection moved from a killed member to another, from a revision that the story's short compaction interval has taken",
  },
  {
    text: /^W cacher\.go: Terminating all watchers from cacher /,
    reason: "the cache of such a collection begins anew",
  },
  {
    text: /^E delegator\.go: "Cache consistency check error" .*The resourceVersion for the provided list is too old/,
    reason:
      "every five minutes the API server compares a cache with a list of the members at the cache's revision, which of a quiet collection is compacted by then",
  },
  {
    text: /^E \w+\.go: .*(http: Handler timeout|post-timeout activity|Post-timeout activity|Timeout or abort while handling|context canceled|context deadline exceeded)/,
    reason: "a client's deadline passed while a leader was missing",
  },
  {
    text: /^E options\.go: The manifest file is empty|^W genericapiserver\.go: Skipping API |^E controller\.go: .*namespaces \\"kube-system\\" not found|^W lease\.go: Resetting endpoints for master service/,
    reason: "every start of an API server on an empty store",
  },
];

/** On a machine with too much to do the API server warns of other things too, its own handshakes for one. */
const isAboutStorage =
  /etcd|rpc error|mvcc|storage|revision|resourceVersion|lease|watch|cache|raft|leader|panic|fatal/i;

/** Classes about storage that no entry of the table explains. */
export const unexplained = (classes: readonly LineClass[]): LineClass[] =>
  classes.filter(
    ({ text }) => isAboutStorage.test(text) && !known.some((it) => it.text.test(text)),
  );

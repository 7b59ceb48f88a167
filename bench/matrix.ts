// What is measured, as data: one row per workload of e2e/tools/bench, with the aims of the project
// and what is known about rows that miss theirs.

/** How much of everything there is. */
export interface Sizes {
  /** Keys of 256 bytes that put and get draw from. */
  readonly keys: number;
  /** Objects of 1 KiB that the Kubernetes write updates. */
  readonly objects: number;
  /** Keys of 1 KiB in the short and in the long list. */
  readonly listKeys: number;
  readonly pageKeys: number;
  readonly watchers: number;
  readonly leases: number;
  /** Leases that run out at once. */
  readonly expiring: number;
}

export const fullSizes: Sizes = {
  keys: 100_000,
  objects: 20_000,
  listKeys: 10_000,
  pageKeys: 150_000,
  watchers: 10_000,
  leases: 10_000,
  expiring: 30_000,
};

export const quickSizes: Sizes = {
  keys: 10_000,
  objects: 5_000,
  listKeys: 10_000,
  pageKeys: 20_000,
  watchers: 1_000,
  leases: 1_000,
  expiring: 3_000,
};

export interface Aim {
  /** At least this many times etcd's rate. */
  readonly rate: number;
  /** At most this part of etcd's CPU per operation. */
  readonly cpu?: number;
}

export type MemberCount = 1 | 3;

export interface Row {
  readonly name: string;
  /** Of e2e/tools/bench. */
  readonly workload: string;
  readonly clients: number;
  readonly conns: number;
  /** Which of three members the first connection is to; default: the leader. */
  readonly at?: "follower";
  readonly flags: (sizes: Sizes) => readonly string[];
  /** Sizes of the clusters it runs on. */
  readonly members: readonly MemberCount[];
  readonly aim?: Aim;
  /** What holds it where it misses its aim: printed in that case only. */
  readonly limit?: string;
}

const both: readonly MemberCount[] = [1, 3];
const alone: readonly MemberCount[] = [1];
const one = { clients: 1, conns: 1 };
const thousand = { clients: 1000, conns: 100 };

const plain = (s: Sizes): readonly string[] => ["-key-space", `${s.keys}`];
const objects = (s: Sizes): readonly string[] => [
  ...["-key-space", `${s.objects}`, "-value-size", "1024"],
];

const manyWrites =
  "The profile is flat. A batch holds some hundred entries, so messages and syncs cost little; every " +
  "member pays for every entry: about a sixth of its CPU for V8's helper threads (collecting what the log " +
  "and calls leave), a tenth for the key's place in the index, a tenth for handing rows to the engine.";
const oneWrite =
  "Alone a member is held by the disk's synchronous write, which it makes in the turn itself. On three members perf shows " +
  "no symbol above 3 % (55 % in node's own text, 37 % in compiled JavaScript): each of 14 wake-ups a put runs cold code. " +
  "Tried: holding back the news of a commit until the next append (10 % less CPU, but a client at a follower then waits for " +
  "it: not kept), the leader's disk write in the turn (its neighbours' processes make it slow), text on large pages (no gain).";
const reads =
  "Ours is a fifth of etcd's CPU: what holds the rate is the load generator's, on the same cores.";

/** Values of 1 KiB. */
function listOf(keys: (sizes: Sizes) => number): Row["flags"] {
  return (s) => ["-key-space", `${keys(s)}`, "-value-size", "1024"];
}

/**
 * In the order of the run: what leaves much behind comes last, and a thousand clients before one,
 * so that no program is measured while its code is still being compiled.
 */
export const rows: readonly Row[] = [
  {
    name: "put, 1000 clients",
    workload: "put",
    ...thousand,
    flags: plain,
    members: both,
    aim: { rate: 2.5, cpu: 0.25 },
    limit: manyWrites,
  },
  {
    name: "put, 1 client",
    workload: "put",
    ...one,
    flags: plain,
    members: both,
    aim: { rate: 1.2 },
    limit: oneWrite,
  },
  {
    name: "put, 1 client at a follower",
    workload: "put",
    ...one,
    at: "follower",
    flags: plain,
    members: [3],
    limit: oneWrite,
  },
  {
    name: "linearizable get, 1000 clients",
    workload: "get",
    ...thousand,
    flags: plain,
    members: both,
    aim: { rate: 2 },
    limit: reads,
  },
  {
    name: "linearizable get, 1 client",
    workload: "get",
    ...one,
    flags: plain,
    members: both,
    aim: { rate: 2 },
    limit:
      "On three members the round of heartbeats that confirms the leader: two messages and their answers.",
  },
  {
    name: "linearizable get, 1 client at a follower",
    workload: "get",
    ...one,
    at: "follower",
    flags: plain,
    members: [3],
    limit: "A message to the leader and back, and the round of heartbeats meanwhile.",
  },
  {
    name: "serializable get, 1000 clients",
    workload: "sget",
    ...thousand,
    flags: plain,
    members: both,
  },
  {
    name: "serializable get, 1 client",
    workload: "sget",
    ...one,
    flags: plain,
    members: alone,
  },
  {
    name: "Kubernetes write, 1000 clients",
    workload: "k8s",
    ...thousand,
    flags: objects,
    members: both,
    aim: { rate: 2 },
    limit: manyWrites,
  },
  {
    name: "Kubernetes write, 1 client",
    workload: "k8s",
    ...one,
    flags: objects,
    members: both,
    aim: { rate: 2 },
    limit: oneWrite,
  },
  {
    name: "list of 10k keys",
    workload: "list10k",
    ...one,
    flags: listOf((s) => s.listKeys),
    members: both,
    aim: { rate: 2 },
    limit:
      "A whole answer cannot begin before its last row is found (its length comes first), and Go's client spends some 30 ms of " +
      "both cores on it. Of ours: a quarter the socket's write, an eighth the copy, the rest look-ups.",
  },
  {
    name: "150k keys by pages of 10,000",
    workload: "page10k",
    ...one,
    flags: listOf((s) => s.pageKeys),
    members: both,
    aim: { rate: 2 },
    limit: "As a list of 10k keys: Go's client takes nearly twice our CPU for each page.",
  },
  {
    name: "150k keys by pages of 500",
    workload: "page500",
    ...one,
    flags: listOf((s) => s.pageKeys),
    members: alone,
    aim: { rate: 2 },
  },
  {
    name: "150k keys by RangeStream",
    workload: "rangestream",
    ...one,
    flags: listOf((s) => s.pageKeys),
    members: alone,
    aim: { rate: 2 },
  },
  {
    name: "count of 150k keys",
    workload: "count",
    ...one,
    flags: listOf((s) => s.pageKeys),
    members: alone,
    aim: { rate: 2 },
  },
  {
    name: "watch fan-out to 10k",
    workload: "fanout",
    clients: 1,
    conns: 100,
    flags: (s) => ["-watchers", `${s.watchers}`],
    members: both,
    aim: { rate: 3 },
    limit:
      "Go's client takes 4 to 6 us an event on the same two cores, ours 1.5 to 3. Of ours a quarter is sockets, a sixth the " +
      "response's bytes, 7 % V8's collector. Events and headers are encoded once for all watchers, and a turn's frames leave in " +
      "one write a connection; what is left is a copy, a frame and a place in a queue for each watcher. Tried and not kept: " +
      "larger pools of Node's buffers (0.50 of the client's CPU instead of 0.43).",
  },
  {
    name: "watch fan-out to 10k, prevKV",
    workload: "fanoutprev",
    clients: 1,
    conns: 100,
    flags: (s) => ["-watchers", `${s.watchers}`],
    members: alone,
    aim: { rate: 3 },
    limit: "As without prevKV; each event is copied once more for each watcher's frame.",
  },
  {
    name: "keep-alive of 10k leases",
    workload: "keepalive",
    ...thousand,
    flags: (s) => ["-leases", `${s.leases}`],
    members: both,
    aim: { rate: 3 },
    limit:
      "etcd 3.7 renews without Raft too, and on all cores; a Quoin member has one loop, of which reading and " +
      "writing a hundred sockets takes more than half, and the client takes 9 us a renewal itself. Encoding by hand around one header took 4.2 us to 3.1; larger pools of Node's buffers change nothing.",
  },
  {
    name: "30k leases expire at once",
    workload: "expiry",
    clients: 1,
    conns: 3,
    flags: (s) => ["-leases", `${s.expiring}`],
    members: both,
  },
];

/** EtcdAdmin on the v3 client: one connection per member, kept while it is used. */
import { isDeepStrictEqual } from "node:util";
import { Client, isEtcdError, type RpcError } from "../../client/index.ts";
import { hexId, memberId } from "../../core/types.ts";
import type { Clock } from "../../ports/index.ts";
import type {
  ChangeResult,
  EtcdAdmin,
  EtcdMemberList,
  EtcdStatus,
  LogPosition,
  MemberTls,
} from "./admin.ts";
import { page } from "./page.ts";

const unusedMs = 120_000;
const timeoutMs = 3_000;
/** It reads the whole keyspace. */
const hashMs = 15_000;

export class ClientAdmin implements EtcdAdmin {
  readonly #clock: Clock;
  readonly #clients = new Map<string, { readonly client: Client; usedMs: number }>();
  /** Quoin's own version by endpoint, asked once per connection. */
  readonly #versions = new Map<string, string>();
  /** By endpoint; those without TLS have none. */
  readonly #tls = new Map<string, MemberTls>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A changed certificate, authority or name makes the next call connect anew. */
  secure(endpoint: string, tls: MemberTls | undefined): void {
    if (isDeepStrictEqual(this.#tls.get(endpoint), tls)) return;
    this.#drop(endpoint);
    if (tls !== undefined) this.#tls.set(endpoint, tls);
  }

  async status(endpoint: string, signal: AbortSignal): Promise<EtcdStatus> {
    const answer = await this.#client(endpoint).maintenance.status(endpoint, { signal, timeoutMs });
    const [own, log] = await Promise.all([
      this.#ownVersion(endpoint, signal),
      this.#logPosition(endpoint, signal),
    ]);
    const version = own ?? answer.version;
    return {
      clusterId: hexId(answer.header?.clusterId ?? 0n),
      memberId: hexId(answer.header?.memberId ?? 0n),
      ...(answer.leader === 0n ? {} : { leader: hexId(answer.leader) }),
      learner: answer.isLearner,
      version,
      raftTerm: answer.raftTerm,
      raftIndex: answer.raftIndex,
      ...(answer.header ? { revision: answer.header.revision } : {}),
      dbSizeBytes: answer.dbSize,
      errors: answer.errors,
      ...(log === undefined ? {} : { log }),
    };
  }

  async memberList(endpoint: string, signal: AbortSignal): Promise<EtcdMemberList> {
    const { cluster } = this.#client(endpoint);
    const answer = await cluster.memberList({ linearizable: true, signal, timeoutMs });
    return {
      clusterId: hexId(answer.header?.clusterId ?? 0n),
      members: answer.members.map((m) => ({
        id: hexId(m.id),
        name: m.name,
        peerUrls: m.peerURLs,
        learner: m.isLearner,
      })),
    };
  }

  memberAddLearner(endpoint: string, peerUrl: string, signal: AbortSignal): Promise<ChangeResult> {
    const { cluster } = this.#client(endpoint);
    const add = cluster.memberAdd([peerUrl], { learner: true, signal, timeoutMs });
    return settle(add, ["PeerURLExist"]);
  }

  memberPromote(endpoint: string, id: string, signal: AbortSignal): Promise<ChangeResult> {
    const { cluster } = this.#client(endpoint);
    const promote = cluster.memberPromote(idOf(id), { signal, timeoutMs });
    return settle(promote, ["MemberNotLearner"]);
  }

  memberRemove(endpoint: string, id: string, signal: AbortSignal): Promise<ChangeResult> {
    const { cluster } = this.#client(endpoint);
    const remove = cluster.memberRemove(idOf(id), { signal, timeoutMs });
    return settle(remove, ["MemberNotFound"]);
  }

  async moveLeader(endpoint: string, id: string, signal: AbortSignal): Promise<void> {
    const options = { endpoint, signal, timeoutMs };
    await this.#client(endpoint).maintenance.moveLeader(idOf(id), options);
  }

  async hashKV(endpoint: string, revision: number, signal: AbortSignal): Promise<number> {
    const options = { signal, timeoutMs: hashMs };
    return (await this.#client(endpoint).maintenance.hashKv(endpoint, revision, options)).hash;
  }

  tidy(): void {
    const nowMs = this.#clock.nowMs();
    for (const [endpoint, entry] of this.#clients) {
      if (nowMs - entry.usedMs > unusedMs) this.#drop(endpoint);
    }
  }

  close(): void {
    for (const endpoint of [...this.#clients.keys()]) this.#drop(endpoint);
  }

  #drop(endpoint: string): void {
    this.#clients.get(endpoint)?.client[Symbol.dispose]();
    this.#clients.delete(endpoint);
    this.#versions.delete(endpoint);
    this.#tls.delete(endpoint);
  }

  #client(endpoint: string): Client {
    let entry = this.#clients.get(endpoint);
    if (entry === undefined) {
      const tls = this.#tls.get(endpoint);
      const client = new Client({
        endpoints: [endpoint],
        dialTimeoutMs: 1_500,
        ...(tls === undefined ? {} : { tls: bytesOf(tls) }),
      });
      entry = { client, usedMs: 0 };
      this.#clients.set(endpoint, entry);
    }
    entry.usedMs = this.#clock.nowMs();
    return entry.client;
  }

  /** Status tells the etcd version; Quoin's own stands in an extra field of /version. */
  async #ownVersion(endpoint: string, signal: AbortSignal): Promise<string | undefined> {
    const known = this.#versions.get(endpoint);
    if (known !== undefined) return known;
    const body = await page(endpoint, "/version", this.#tls.get(endpoint), signal);
    const version = body?.["quoin"] ?? body?.["quoinserver"];
    if (typeof version !== "string") return undefined; // The etcd version will do.
    this.#versions.set(endpoint, version);
    return version;
  }

  /** Asked every time: it is what is known of a member that can never be asked again. */
  async #logPosition(endpoint: string, signal: AbortSignal): Promise<LogPosition | undefined> {
    const body = await page(endpoint, "/quoin/log", this.#tls.get(endpoint), signal);
    const [lastLogTerm, lastLogIndex, revision] = [
      body?.["lastLogTerm"],
      body?.["lastLogIndex"],
      body?.["revision"],
    ];
    const known = [lastLogTerm, lastLogIndex, revision].every((n) => typeof n === "number");
    return known ? ({ lastLogTerm, lastLogIndex, revision } as LogPosition) : undefined;
  }
}

const bytesOf = ({ ca, cert, key, serverName }: MemberTls) => ({
  ca: Buffer.from(ca),
  cert: Buffer.from(cert),
  key: Buffer.from(key),
  serverName,
});

/** `fine` names the errors that mean that the change was made before. */
async function settle(
  change: Promise<unknown>,
  fine: readonly EtcdErrorCode[],
): Promise<ChangeResult> {
  try {
    await change;
    return "done";
  } catch (error) {
    if (fine.some((code) => isEtcdError(error, code))) return "done";
    if (patience.some((code) => isEtcdError(error, code))) return "notYet";
    throw error;
  }
}

const patience: readonly EtcdErrorCode[] = [
  "LearnerNotReady",
  "Unhealthy",
  "MemberNotEnoughStarted",
];

type EtcdErrorCode = NonNullable<RpcError["etcd"]>;

const idOf = (hex: string) => memberId(BigInt(`0x${hex}`));

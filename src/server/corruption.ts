/**
 * Compares this member's history with the others': once before it serves (gate InitialCorruptCheck), now
 * and then as leader (--corrupt-check-time), and by the hashes of compactions (gate CompactHashCheck).
 * What differs raises the CORRUPT alarm. Source: etcd server/etcdserver/corrupt.go.
 */
import type { Member as MemberRecord } from "../core/membership/index.ts";
import { hexId, type MemberId, memberId } from "../core/types.ts";
import type { Cancel, Clock, Logger } from "../ports/index.ts";
import { type EtcdError, rpcpb } from "../proto/index.ts";
import type { CompactionHash, CompactionHashes } from "./compaction-hashes.ts";
import type { HashKvResult } from "./reads.ts";
import type { StateMachine } from "./state-machine.ts";
import type { AskPeer } from "./transport.ts";

export interface CorruptionOptions {
  readonly self: MemberId;
  readonly state: StateMachine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly isLeader: () => boolean;
  readonly askPeer: AskPeer;
  readonly timeoutMs: number;
  /** --corrupt-check-time; 0: never. */
  readonly periodicMs: number;
  /** --compact-hash-check-time; 0: never (the gate is off). */
  readonly compactionMs: number;
  readonly hashes: CompactionHashes;
  readonly hashKv: (at: number) => Promise<HashKvResult>;
  readonly linearize: (reply: (error: EtcdError | undefined) => void) => void;
  readonly propose: (request: rpcpb.InternalRaftRequest) => void;
}

/** A peer's answer to GET /members/hashkv. */
interface PeerHash {
  readonly currentRevision: number;
  readonly compactRevision: number;
  readonly hash: number;
}

interface Asked {
  readonly peer: MemberRecord;
  /** Undefined: it did not answer, or cannot. */
  readonly found: PeerHash | undefined;
}

export class Corruption {
  readonly #o: CorruptionOptions;
  readonly #cancels: [periodic: Cancel, compactions: Cancel] = [never, never];
  #stopped = false;
  /** The newest compaction that all members were found to agree on. */
  #checkedRevision = 0;

  constructor(options: CorruptionOptions) {
    this.#o = options;
  }

  start(): void {
    const { periodicMs, compactionMs } = this.#o;
    if (periodicMs > 0) this.#every(0, periodicMs, () => this.#periodic());
    if (compactionMs > 0) this.#every(1, compactionMs, () => this.#compactions());
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
  }

  /** Before the member serves anybody. Throws Error when another member holds something else. */
  async initial(): Promise<void> {
    const { self, logger, hashKv } = this.#o;
    const local = { "local-member-id": hexId(self) };
    logger.info("starting initial corruption check", local);
    const own = await hashKv(0);
    let mismatches = 0;
    for (const { peer, found } of await this.#askAll(own.hashRevision)) {
      if (found === undefined || found.hash === own.hash) continue;
      const same = found.compactRevision === own.compactRevision;
      if (same) mismatches++;
      const what = same ? "hash" : "compact revision";
      logger.warn(`found different ${what} values from remote peer`, {
        ...local,
        "local-member-revision": own.hashRevision,
        "local-member-compact-revision": own.compactRevision,
        "local-member-hash": own.hash,
        "remote-peer-id": hexId(peer.id),
        "remote-peer-revision": found.currentRevision,
        "remote-peer-compact-revision": found.compactRevision,
        "remote-peer-hash": found.hash,
      });
    }
    if (mismatches > 0) {
      // No exit code of its own: who is right, nobody knows yet.
      throw new Error(`${hexId(self)} found data inconsistency with peers`);
    }
    logger.info("initial corruption checking passed; no corruption", local);
  }

  #every(slot: 0 | 1, ms: number, check: () => Promise<void>): void {
    this.#cancels[slot] = this.#o.clock.after(ms, () => {
      if (this.#stopped) return;
      const again = (): void => {
        if (!this.#stopped) this.#every(slot, ms, check);
      };
      if (!this.#o.isLeader()) {
        again();
        return;
      }
      check().then(again, (error: unknown) => {
        this.#o.logger.warn("failed to check hash KV", { error: (error as Error).message });
        again();
      });
    });
  }

  async #periodic(): Promise<void> {
    const { logger, hashKv, self } = this.#o;
    const before = await hashKv(0);
    const asked = await this.#askAll(before.hashRevision);
    await new Promise<void>((resolve, reject) => {
      this.#o.linearize((error) => (error === undefined ? resolve() : reject(error)));
    });
    const after = await hashKv(0);
    const wrong: MemberId[] = [];
    const same =
      after.hashRevision === before.hashRevision &&
      after.compactRevision === before.compactRevision;
    if (same && after.hash !== before.hash) {
      logger.warn("found hash mismatch", { "hash-1": before.hash, "hash-2": after.hash });
      wrong.push(self);
    }
    let checked = 0;
    for (const { peer, found } of asked) {
      if (found === undefined) continue;
      checked++;
      const reason = followerIsWrong(found, before, after);
      if (reason === undefined) continue;
      logger.warn(reason, {
        "leader-compact-revision": after.compactRevision,
        "leader-hash": before.hash,
        "follower-compact-revision": found.compactRevision,
        "follower-hash": found.hash,
        "follower-peer-id": hexId(peer.id),
      });
      wrong.push(peer.id);
    }
    if (wrong[0] !== undefined) this.#alarm(wrong[0]);
    logger.info("finished peer corruption check", { "number-of-peers-checked": checked });
  }

  /** From the newest compaction back, until one was compared with everybody. */
  async #compactions(): Promise<void> {
    const { logger, self, hashes } = this.#o;
    logger.info("starting compact hash check", { "local-member-id": hexId(self) });
    let checked = 0;
    for (const own of hashes.above(this.#checkedRevision)) {
      checked++;
      const asked = await this.#askAll(own.revision);
      if (asked.length > 0 && this.#compare(own, asked)) break;
    }
    logger.info("finished compaction hash check", { "number-of-hashes-checked": checked });
  }

  /** True when nothing is left to ask: all agree, or somebody was found to differ. */
  #compare(own: CompactionHash, asked: readonly Asked[]): boolean {
    const { logger, self } = this.#o;
    const members = new Map<number, MemberId[]>([[own.hash, [self]]]);
    let checked = 0;
    for (const { peer, found } of asked) {
      if (found?.compactRevision !== own.compactRevision) {
        const reason =
          found === undefined
            ? "no response"
            : `the peer's CompactRevision ${found.compactRevision} doesn't match leader's CompactRevision ${own.compactRevision}`;
        logger.warn("Skipped peer's hash", { "peer-id": hexId(peer.id), reason });
        continue;
      }
      checked++;
      members.set(found.hash, [...(members.get(found.hash) ?? []), peer.id]);
    }
    const fields = { revision: own.revision, compactRevision: own.compactRevision };
    if (members.size > 1) {
      this.#accuse(own, members, asked.length + 1);
      return true;
    }
    if (checked < asked.length) {
      logger.warn(
        "skipped revision in compaction hash check; was not able to check all peers",
        fields,
      );
      return false;
    }
    logger.info("successfully checked hash on whole cluster", fields);
    this.#checkedRevision = Math.max(this.#checkedRevision, own.revision);
    return true;
  }

  /** The minority is corrupt; without a majority nobody can tell who is, and the alarm names no one. */
  #accuse(
    own: CompactionHash,
    members: ReadonlyMap<number, readonly MemberId[]>,
    count: number,
  ): void {
    const quorum = Math.floor(count / 2) + 1;
    const right = [...members].find(([, ids]) => ids.length >= quorum)?.[0];
    if (right === undefined) this.#alarm(memberId(0n));
    for (const [hash, ids] of members) {
      if (hash === right) continue;
      if (right !== undefined) for (const id of ids) this.#alarm(id);
      this.#o.logger.error("Detected compaction hash mismatch", {
        "leader-revision": own.revision,
        "leader-compact-revision": own.compactRevision,
        "leader-hash": own.hash,
        "peer-hash": hash,
        "peer-ids": ids.map(hexId).join(","),
        "quorum-exist": right !== undefined,
      });
    }
  }

  #alarm(id: MemberId): void {
    const alarm = rpcpb.newAlarmRequest({
      action: rpcpb.AlarmAction.ACTIVATE,
      memberId: id,
      alarm: rpcpb.AlarmType.CORRUPT,
    });
    this.#o.propose(rpcpb.newInternalRaftRequest({ alarm }));
  }

  #askAll(revision: number): Promise<Asked[]> {
    const peers = this.#o.state.cluster.members().filter((m) => m.id !== this.#o.self);
    return Promise.all(
      peers.map(async (peer) => ({ peer, found: await this.#ask(peer, revision) })),
    );
  }

  async #ask(peer: MemberRecord, revision: number): Promise<PeerHash | undefined> {
    const { askPeer, timeoutMs, logger } = this.#o;
    const body = Buffer.from(JSON.stringify({ revision }));
    for (const url of peer.peerURLs) {
      try {
        const question = { method: "GET", path: "/members/hashkv", body, timeoutMs } as const;
        const answer = await askPeer(url, question);
        const said = Buffer.from(answer.body).toString();
        if (answer.status === 200) return toPeerHash(JSON.parse(said));
        throw new Error(said.trim());
      } catch (error) {
        logger.warn("failed hash kv request", {
          "requested-revision": revision,
          "remote-peer-endpoint": url,
          error: (error as Error).message,
        });
      }
    }
    return undefined;
  }
}

const never: Cancel = () => undefined;

/** Why a follower's answer cannot be, given the leader's hashes before and after it was asked. */
function followerIsWrong(
  found: PeerHash,
  before: HashKvResult,
  after: HashKvResult,
): string | undefined {
  if (found.currentRevision > after.currentRevision) {
    return "revision from follower must be less than or equal to leader's";
  }
  if (found.compactRevision > after.compactRevision) {
    return "compact revision from follower must be less than or equal to leader's";
  }
  const comparable = found.compactRevision === before.compactRevision;
  if (!comparable || found.hash === before.hash) return undefined;
  return "same compact revision then hashes must match";
}

/** Go's encoding/json of a HashKVResponse: zeros are left out. */
function toPeerHash(json: {
  header?: { revision?: number };
  hash?: number;
  compact_revision?: number;
}): PeerHash {
  return {
    currentRevision: json.header?.revision ?? 0,
    compactRevision: json.compact_revision ?? 0,
    hash: json.hash ?? 0,
  };
}

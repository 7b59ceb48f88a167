// One of the two servers under comparison: executes operations and gives answers in a form in which
// equal means compatible.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, methods, RpcError } from "../../src/client/index.ts";
import type { MemberId } from "../../src/core/types.ts";
import { createMembers, type Member, type Program } from "../process/member.ts";
import { until } from "../until.ts";
import { type Operation, theLearner } from "./operations.ts";
import { Streams } from "./streams.ts";
import { settleTies, settleTxnTies } from "./ties.ts";

/** Plain data: bytes are latin1 text, ids decimal text. */
export type Answer = unknown;

export class Subject implements AsyncDisposable {
  readonly name: string;
  readonly #member: Member;
  readonly #client: Client;
  readonly #folder: string;
  readonly #streams = new Streams();

  private constructor(name: string, member: Member, folder: string) {
    this.name = name;
    this.#member = member;
    this.#folder = folder;
    this.#client = new Client({ endpoints: [member.endpoint], requestTimeoutMs: 15_000 });
  }

  static async start(program: Program): Promise<Subject> {
    // In memory: this is about answers, not about disks.
    const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
    const folder = mkdtempSync(join(base, `quoin-compat-${program.name.replace(/\W/g, "")}-`));
    const [member] = (await createMembers(program, folder, 1)) as [Member];
    member.start();
    await member.ready();
    return new Subject(program.name, member, folder);
  }

  /** The answer, an error as `{code, text}`. Throws when the server or a stream breaks down. */
  async execute(operation: Operation, revision: number): Promise<Answer> {
    try {
      return normalize(await this.#perform(operation, revision));
    } catch (error) {
      if (!(error instanceof RpcError) || error.code === "Unavailable") {
        throw new Error(`${this.name}: ${String(error)}\n${this.#member.logTail()}`, {
          cause: error,
        });
      }
      // The id of a new member is made of its URLs and the second: whether the id or the URL is
      // taken depends on the clock.
      const taken = error.etcd === "MemberExist" || error.etcd === "PeerURLExist";
      return { code: error.code, text: taken ? "member exists" : error.message };
    }
  }

  async #perform(operation: Operation, revision: number): Promise<unknown> {
    const client = this.#client;
    switch (operation.op) {
      case "range":
        return settleTies(operation.request, await client.call(methods.range, operation.request));
      case "put":
        return client.call(methods.put, operation.request);
      case "deleteRange":
        return client.call(methods.deleteRange, operation.request);
      case "txn":
        return settleTxnTies(operation.request, await client.call(methods.txn, operation.request));
      case "compact":
        await this.#streams.collect(revision);
        return client.call(methods.compact, operation.request);
      case "leaseGrant":
        return client.call(methods.leaseGrant, operation.request);
      case "leaseRevoke":
        return client.call(methods.leaseRevoke, operation.request);
      case "leaseKeepAlive":
        return client.lease.keepAliveOnce(operation.request.id);
      case "leaseTimeToLive":
        return leaseSeconds(await client.call(methods.leaseTimeToLive, operation.request));
      case "leaseLeases":
        return client.call(methods.leaseLeases, {});
      case "hashKv":
        return client.call(methods.hashKv, operation.request);
      case "memberList":
        return nameless(await client.call(methods.memberList, operation.request));
      case "memberAdd":
        return nameless(await client.call(methods.memberAdd, operation.request));
      case "memberRemove":
        return nameless(
          await client.call(methods.memberRemove, await this.#named(operation.request)),
        );
      case "memberUpdate":
        return nameless(await client.call(methods.memberUpdate, operation.request));
      case "memberPromote":
        return nameless(
          await client.call(methods.memberPromote, await this.#named(operation.request)),
        );
      case "moveLeader":
        return client.call(methods.moveLeader, operation.request);
      case "alarm": {
        const answer = await client.call(methods.alarm, operation.request);
        return { ...answer, alarms: answer.alarms.map(({ alarm }) => alarm) };
      }
      case "status":
        return this.#status();
      case "defragment":
        return client.call(methods.defragment, {}, { timeoutMs: 30_000 });
      case "watch":
        return this.#streams.open(client, operation.stream, operation.requests, revision);
      case "watchCancel":
        return this.#streams.cancel(operation.stream, operation.watchId);
      case "watchEnd":
        return this.#streams.end(operation.stream, revision);
      case "watchSync":
        return this.#streams.collect(revision);
      case "untilGone":
        return this.#untilGone(operation.key);
      case "restart": {
        const seen = await this.#streams.collect(revision);
        this.#streams.close();
        await this.#member.stop(operation.signal);
        this.#member.start();
        await this.#member.ready();
        return seen;
      }
    }
  }

  async #named(request: { id: MemberId }): Promise<{ id: MemberId }> {
    if (request.id !== theLearner) return request;
    const { members } = await this.#client.cluster.memberList();
    return { id: members.find((m) => m.isLearner)?.id ?? request.id };
  }

  async #untilGone(key: Uint8Array): Promise<unknown> {
    const gone = await until(`${this.name} to let the key's lease expire`, async () => {
      const answer = await this.#client.kv.get(key).catch((error: unknown) => ({ error }));
      return ("error" in answer || answer.count === 0) && answer;
    });
    if ("error" in gone) throw gone.error;
    return gone;
  }

  async #status(): Promise<unknown> {
    const s = await this.#client.call(methods.status, {});
    return {
      header: s.header,
      version: s.version,
      storageVersion: s.storageVersion,
      leads: s.leader === s.header?.memberId,
      isLearner: s.isLearner,
      errors: s.errors,
      dbSizeQuota: s.dbSizeQuota,
      downgradeInfo: s.downgradeInfo,
      counts:
        s.dbSize > 0 &&
        s.dbSizeInUse > 0 &&
        s.raftIndex >= s.raftAppliedIndex &&
        s.raftAppliedIndex > 0,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#streams.close();
    this.#client.close();
    await this.#member[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Seconds left depend on the clock: only whether it is the whole, some or none is compared. */
function leaseSeconds<T extends { ttl: number; grantedTtl: number; keys: Uint8Array[] }>(
  answer: T,
): T {
  const close = answer.ttl >= 0 && answer.grantedTtl - answer.ttl <= 120;
  // The order of the keys is that of a Go map.
  answer.keys.sort(Buffer.compare);
  return { ...answer, ttl: close ? answer.grantedTtl : answer.ttl };
}

interface Members {
  members: { name: string; isLearner: boolean; peerURLs: string[]; clientURLs: string[] }[];
}

/** Ports and ids differ between the two. */
function nameless(answer: Members): unknown {
  const members = answer.members
    .map((m) => ({
      name: m.name,
      isLearner: m.isLearner,
      urls: [m.peerURLs.length, m.clientURLs.length],
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { ...answer, members, member: undefined };
}

/** Bytes to text, ids to text; of a header the revision, and whether the rest is filled. */
export function normalize(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1");
  }
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map(normalize);
  if (typeof value !== "object" || value === null) return value;
  if ("clusterId" in value && "memberId" in value && "raftTerm" in value) {
    const header = value as {
      clusterId: bigint;
      memberId: bigint;
      raftTerm: number;
      revision: number;
    };
    const filled = header.clusterId !== 0n && header.memberId !== 0n && header.raftTerm > 0;
    return { filled, revision: header.revision };
  }
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, normalize(v)]));
}

/** The first place where two answers differ, as `path: a != b`; undefined when they are equal. */
export function difference(a: unknown, b: unknown, path = ""): string | undefined {
  if (Object.is(a, b)) return undefined;
  if (typeof a === "object" && typeof b === "object" && a !== null && b !== null) {
    const names = new Set([...Object.keys(a), ...Object.keys(b)]);
    for (const name of names) {
      const found = difference(
        (a as Record<string, unknown>)[name],
        (b as Record<string, unknown>)[name],
        `${path}.${name}`,
      );
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return `${path || "answer"}: ${JSON.stringify(a)} != ${JSON.stringify(b)}`;
}

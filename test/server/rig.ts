/** Members in this process, on real files in a folder of the test and without a network. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseInitialCluster } from "../../src/core/membership/index.ts";
import { createClock, createDisk, createRandom, noFaults } from "../../src/io/index.ts";
import type { Logger } from "../../src/ports/index.ts";
import { rpcpb } from "../../src/proto/index.ts";
import { boot, Member, type MemberOptions, type MemberPorts } from "../../src/server/index.ts";
import { openRocksEngine } from "../../src/storage/backend/index.ts";
import { crc32c } from "../../src/storage/wal/index.ts";

export const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

export async function tempDir(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "quoin-server-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

export function memberOptions(dataDir: string, change: Partial<MemberOptions> = {}): MemberOptions {
  const url = "http://127.0.0.1:1";
  const initial = parseInitialCluster(`m1=${url}`);
  if (!initial.ok) throw new Error(initial.error);
  return {
    name: "m1",
    dataDir,
    walDir: undefined,
    initialCluster: initial.value,
    initialClusterToken: "test",
    initialClusterState: "new",
    initialAdvertisePeerUrls: [url],
    advertiseClientUrls: ["http://127.0.0.1:2"],
    heartbeatMs: 20,
    electionMs: 200,
    preVote: true,
    snapshotCount: 50,
    snapshotCatchupEntries: 10,
    maxLearners: 1,
    strictReconfigCheck: true,
    maxRequestBytes: 1_572_864,
    maxTxnOps: 128,
    quotaBytes: 2 ** 31,
    tierBytes: undefined,
    ...change,
  };
}

export function memberPorts(change: Partial<MemberPorts> = {}): MemberPorts {
  return {
    clock: createClock(),
    random: createRandom(),
    disk: createDisk(),
    logger: silent,
    faults: noFaults,
    openEngine: openRocksEngine,
    sha1: (bytes) => createHash("sha1").update(bytes).digest(),
    crc32c,
    createTransport: () => ({
      addPeer: () => undefined,
      updatePeer: () => undefined,
      removePeer: () => undefined,
      addRemote: () => undefined,
      send: () => undefined,
      activeSince: () => undefined,
    }),
    askPeer: () => Promise.reject(new Error("no network in this test")),
    fetchMembers: () => Promise.reject(new Error("no network in this test")),
    lookAt: async () => ({ kind: "absent", problem: "no network in this test" }),
    onFatal: (error) => {
      throw error;
    },
    onRemoved: () => undefined,
    ...change,
  };
}

/** A running member that leads its cluster of one. */
export async function startMember(options: MemberOptions, ports = memberPorts()): Promise<Member> {
  const member = new Member(options, ports, await boot(options, ports));
  await new Promise<void>((resolve) => {
    member.whenReady(resolve);
    member.start();
  });
  return member;
}

export function put(member: Member, key: string, value: string): Promise<number> {
  const request = rpcpb.newPutRequest({ key: Buffer.from(key), value: Buffer.from(value) });
  return new Promise((resolve, reject) => {
    member.proposals.put(request, rpcpb.encodePutRequest(request), (error, result) => {
      if (result === undefined) reject(error);
      else resolve(result.revision);
    });
  });
}

/** The value, or undefined when there is no such key. */
export function get(
  member: Member,
  key: string,
  serializable = false,
): Promise<string | undefined> {
  const request = rpcpb.newRangeRequest({ key: Buffer.from(key), serializable });
  return new Promise((resolve, reject) => {
    member.reads.range(request, (error, result) => {
      if (result === undefined) reject(error);
      else {
        const kv = result.kvs[0];
        resolve(kv === undefined ? undefined : valueIn(kv));
      }
    });
  });
}

function valueIn(encoded: Uint8Array): string {
  const response = rpcpb.newEncodedRangeResponse({ kvs: [encoded] });
  const decoded = rpcpb.decodeRangeResponse(rpcpb.encodeEncodedRangeResponse(response));
  return Buffer.from(decoded.kvs[0]?.value ?? []).toString();
}

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import {
  bootstrapCluster,
  type Cluster,
  decodeContext,
  decodeMembers,
  membersJson,
  parseInitialCluster,
} from "../../../src/core/membership/index.ts";
import { type Message, MessageType } from "../../../src/core/raft/index.ts";
import type { Index, MemberId, Term } from "../../../src/core/types.ts";
import { askPeer, fetchMembers, fetchVersions } from "../../../src/peer/index.ts";
import { raftpb } from "../../../src/proto/index.ts";
import { freePorts } from "../../free-ports.ts";
import { holds, message, Rig } from "../../peer/rig.ts";
import { findEtcd, RealEtcd } from "./etcd-tool.ts";

const binary = findEtcd();
const skip = binary === undefined ? "no real etcd is built here" : false;
const sha1 = (b: Uint8Array) => createHash("sha1").update(b).digest();

/**
 * A cluster of three where two members are real etcd and the third is our transport, whose "raft"
 * is this test: it acknowledges what it gets, so that etcd treats it as a follower in good health.
 */
let rig: Rig;
let etcds: RealEtcd[] = [];
let cluster: Cluster;
let ids: MemberId[];
let peerUrls: string[];
let lastIndex = 0;
/** By term: who has our vote. */
const votes = new Map<number, MemberId>();
let pump: NodeJS.Timeout;

const answer = (m: Message): Message | undefined => {
  const reply = { to: m.from, from: m.to, term: m.term };
  switch (m.type) {
    case MessageType.MsgApp: {
      // A member that lost all it had: the leader then sends its log from the beginning.
      if (lastIndex === 0 && m.index > 0) {
        const reject = { reject: true, index: m.index, rejectHint: 0 as Index };
        return message({ ...reply, type: MessageType.MsgAppResp, ...reject });
      }
      lastIndex = m.entries.at(-1)?.index ?? Math.max(lastIndex, m.index);
      return message({ ...reply, type: MessageType.MsgAppResp, index: lastIndex as Index });
    }
    case MessageType.MsgHeartbeat:
      return message({ ...reply, type: MessageType.MsgHeartbeatResp, context: m.context });
    case MessageType.MsgPreVote:
      return message({ ...reply, type: MessageType.MsgPreVoteResp });
    case MessageType.MsgVote:
      if (!votes.has(m.term)) votes.set(m.term, m.from);
      return message({
        ...reply,
        type: MessageType.MsgVoteResp,
        reject: votes.get(m.term) !== m.from,
      });
    default:
      return undefined;
  }
};

before(async () => {
  if (binary === undefined) return;
  const ports = await freePorts(5);
  peerUrls = ports.slice(0, 3).map((p) => `http://127.0.0.1:${p}`);
  const clientUrls = ports.slice(3).map((p) => `http://127.0.0.1:${p}`);
  const initial = peerUrls.map((u, i) => `m${i}=${u}`).join(",");
  const map = parseInitialCluster(initial);
  assert.ok(map.ok);
  const made = bootstrapCluster(sha1, "tkn", map.value);
  assert.ok(made.ok);
  cluster = made.value;
  ids = [0, 1, 2].map((i) => cluster.memberByName(`m${i}`)?.id as MemberId);
  rig = new Rig(ids[2] as MemberId, cluster.clusterId, [peerUrls[2] as string], {
    routes: {
      members: () => ({
        status: 200,
        contentType: "application/json",
        body: membersJson(cluster.members()),
      }),
      version: () => ({
        status: 200,
        contentType: "application/json",
        body: '{"etcdserver":"3.7.3","etcdcluster":"3.7.0","storage":"3.7.0"}',
      }),
    },
  });
  await rig.listen(peerUrls[2]);
  let seen = 0;
  pump = setInterval(() => {
    const replies = rig.got.slice(seen).map(answer);
    seen = rig.got.length;
    rig.transport.send(replies.filter((m) => m !== undefined));
  }, 5);
  for (const i of [0, 1]) rig.transport.addPeer(ids[i] as MemberId, [peerUrls[i] as string]);
  etcds = [0, 1].map(
    (i) =>
      new RealEtcd(binary, [
        `--name=m${i}`,
        `--initial-cluster=${initial}`,
        "--initial-cluster-token=tkn",
        `--listen-peer-urls=${peerUrls[i]}`,
        `--initial-advertise-peer-urls=${peerUrls[i]}`,
        `--listen-client-urls=${clientUrls[i]}`,
        `--advertise-client-urls=${clientUrls[i]}`,
      ]),
  );
});

after(async () => {
  clearInterval(pump);
  await rig?.close();
  await Promise.all(etcds.map((e) => e.stop()));
});

test("a real etcd opens both streams with us and calls us active", { skip }, async () => {
  await holds(() => etcds.every((e) => e.log.includes("ready to serve client requests")));
  const hex = (rig.id as bigint).toString(16);
  await holds(() => etcds.every((e) => e.log.includes(`"peer became active","peer-id":"${hex}"`)));
  await holds(() => rig.transport.activePeers() === 2);
  for (const e of etcds) assert.doesNotMatch(e.log, /cluster ID mismatch|incompatible/);
});

test("we decode a real leader's heartbeats and entries, and it takes our answers", {
  skip,
}, async () => {
  await holds(() => rig.got.filter((m) => m.type === MessageType.MsgHeartbeat).length > 5);
  await holds(() => lastIndex > 3);
  const log = rig.got.flatMap((m) => (m.type === MessageType.MsgApp ? m.entries : []));
  const changes = log.filter((e) => e.type === 1).slice(0, 3);
  const names = changes.map((e) => {
    const change = raftpb.decodeConfChange(e.data);
    const context = decodeContext(change.context);
    assert.equal(context?.member.id, change.nodeId);
    return `${context?.member.name} ${context?.member.id} ${context?.isPromote}`;
  });
  const want = [0, 1, 2].map((i) => `m${i} ${ids[i]} false`);
  assert.deepEqual(names.sort(), want.sort());
  // A heartbeat's commit is what the leader knows us to hold: 0 until our first answer.
  await holds(() => rig.got.some((m) => m.type === MessageType.MsgHeartbeat && m.commit > 0));
});

test("a real etcd re-encodes to the same bytes: its codec is ours", { skip }, async () => {
  await holds(() => rig.got.some((m) => m.type === MessageType.MsgApp && m.entries.length > 0));
  const m = rig.got.find((x) => x.type === MessageType.MsgApp && x.entries.length > 0) as Message;
  assert.deepEqual(raftpb.decodeMessage(raftpb.encodeMessage(m)), m);
});

test("GET /members and /version of a real etcd are read", { skip }, async () => {
  const found = await fetchMembers(["http://127.0.0.1:1", peerUrls[0] as string]);
  assert.equal(found.clusterId, cluster.clusterId);
  const members = decodeMembers(found.body) ?? [];
  assert.deepEqual(
    members.map((m) => [m.id, m.name, m.peerURLs]),
    cluster.members().map((m) => [m.id, m.name, m.peerURLs]),
  );
  const versions = await fetchVersions([peerUrls[1] as string], 60_000);
  assert.equal(versions?.etcdserver, "3.7.3");
});

test("membersJson() prints what a real etcd prints", { skip }, async () => {
  const answer = await askPeer(peerUrls[0] as string, { path: "/members", timeoutMs: 60_000 });
  const members = decodeMembers(answer.body) ?? [];
  const byId = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  assert.equal(membersJson(byId), Buffer.from(answer.body).toString());
});

test("a real etcd takes our pipeline, and refuses a wrong cluster as we do", { skip }, async () => {
  const url = peerUrls[0] as string;
  const m = message({
    type: MessageType.MsgHeartbeatResp,
    to: ids[0] as MemberId,
    from: rig.id,
    term: 1 as Term,
  });
  const headers = {
    "X-Server-From": (rig.id as bigint).toString(16),
    "X-Server-Version": "3.7.3",
    "X-Min-Cluster-Version": "3.0.0",
    "X-Etcd-Cluster-ID": (cluster.clusterId as bigint).toString(16),
  };
  const post = async (more: Record<string, string>, body: Uint8Array) => {
    const reply = await askPeer(url, {
      path: "/raft",
      method: "POST",
      body,
      headers: { ...headers, ...more },
      timeoutMs: 60_000,
    });
    return `${reply.status} ${Buffer.from(reply.body)}`;
  };
  assert.equal(await post({}, raftpb.encodeMessage(m)), "204 ");
  const wrong = await post({ "X-Etcd-Cluster-ID": "1" }, raftpb.encodeMessage(m));
  assert.equal(wrong, "412 cluster ID mismatch\n");
  // etcd 3.7 breaks the connection where older ones answer 403; it is no 204 in any case.
  const mismatch = post({}, raftpb.encodeMessage({ ...m, to: 5n as MemberId }));
  assert.doesNotMatch(await mismatch.catch(() => "broken"), /^204/);
});

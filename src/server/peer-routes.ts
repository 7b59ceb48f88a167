/**
 * What a member answers on its peer port beside Raft. Source: etcd api/etcdhttp/peer.go,
 * lease/leasehttp/http.go.
 */
import {
  type Member as MemberRecord,
  membersJson,
  serverVersion,
} from "../core/membership/index.ts";
import type { MemberId } from "../core/types.ts";
import { EtcdError, leasepb, ProtoError, rpcpb } from "../proto/index.ts";
import { quoinVersion } from "./config/about.ts";
import type { Member } from "./member.ts";

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

interface Question {
  readonly body: Uint8Array;
}

/** Everything on the peer port that is not Raft's; src/peer's PeerRoutes. */
export interface MemberRoutes {
  members(): Answer;
  version(): Answer;
  promote(id: MemberId): Promise<Answer>;
  leases(question: Question): Promise<Answer>;
  leasesInternal(question: Question): Promise<Answer>;
  downgradeEnabled(): Answer;
  hashKv(question: Question): Promise<Answer>;
}

const json = (body: string, status = 200): Answer => ({
  status,
  contentType: "application/json",
  body,
});
const text = (status: number, body: string): Answer => ({
  status,
  contentType: "text/plain; charset=utf-8",
  body: `${body}\n`,
});
const protobuf = (body: Uint8Array): Answer => ({
  status: 200,
  contentType: "application/protobuf",
  body,
});

export const versionJson = (member: Member): string =>
  JSON.stringify({
    etcdserver: serverVersion,
    etcdcluster: member.clusterVersion ?? "not_decided",
    storage: member.storageVersion,
    // Ours alone: the operator decides by it, since every release reports the same etcd version.
    quoin: quoinVersion,
  });

export function memberRoutes(member: Member, _storageVersion?: string): MemberRoutes {
  return {
    members: () => json(membersJson(member.members())),
    version: () => json(versionJson(member)),
    downgradeEnabled: () => text(200, String(member.state.cluster.downgrade.enabled)),
    hashKv: (q) => hashKv(member, q.body),
    promote: (id) => promote(member, id),
    leases: (q) => guarded(q, (body) => renew(member, body)),
    leasesInternal: (q) => guarded(q, (body) => timeToLive(member, body)),
  };
}

/** The numbers stand bare: Go's encoding/json reads no others into an int64. */
async function hashKv(member: Member, body: Uint8Array): Promise<Answer> {
  let revision: unknown;
  try {
    revision = (JSON.parse(Buffer.from(body).toString()) as { revision?: unknown }).revision ?? 0;
  } catch {
    // Answered below.
  }
  if (typeof revision !== "number") return text(400, "error unmarshalling request");
  try {
    const found = await member.reads.hashKv(revision);
    return json(
      JSON.stringify({
        header: { revision: found.currentRevision },
        hash: found.hash,
        compact_revision: found.compactRevision,
        hash_revision: found.hashRevision,
      }),
    );
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    return text(400, error.message.replace("etcdserver: ", ""));
  }
}

const promote = (member: Member, id: MemberId): Promise<Answer> =>
  new Promise((resolve) => {
    member.membership.promote(id, (error, members) => {
      if (members !== undefined) resolve(json(membersJson(members)));
      else resolve(text(promoteStatus(error), error?.message ?? "failed"));
    });
  });

function promoteStatus(error: EtcdError | undefined): number {
  switch (error?.code) {
    case "MemberNotFound":
      return 404;
    case "MemberNotLearner":
    case "LearnerNotReady":
      return 412;
    case "Timeout":
      return 408;
    default:
      return 500;
  }
}

async function guarded(
  question: Question,
  answer: (body: Uint8Array) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await answer(question.body);
  } catch (error) {
    if (error instanceof ProtoError) return text(400, "error unmarshalling request");
    throw error;
  }
}

const leaseFailure = (error: EtcdError): Answer =>
  text(error.code === "LeaseNotFound" ? 404 : error.code === "Timeout" ? 408 : 400, error.message);

function renew(member: Member, body: Uint8Array): Promise<Answer> {
  const { id } = rpcpb.decodeLeaseKeepAliveRequest(body);
  return new Promise((resolve) => {
    member.faults.hit("beforeServeHTTPLeaseRenew");
    member.leases.renewHere(id, (error, ttl) => {
      if (error !== undefined) resolve(leaseFailure(error));
      else {
        const answer = rpcpb.newLeaseKeepAliveResponse({ id, ttl: ttl ?? 0 });
        resolve(protobuf(rpcpb.encodeLeaseKeepAliveResponse(answer)));
      }
    });
  });
}

function timeToLive(member: Member, body: Uint8Array): Promise<Answer> {
  const request = leasepb.decodeLeaseInternalRequest(body).leaseTimeToLiveRequest;
  if (request === undefined) return Promise.resolve(text(400, "empty request"));
  return new Promise((resolve) => {
    member.leases.timeToLiveHere(request.id, request.keys, (error, found) => {
      if (found === undefined) {
        resolve(leaseFailure(error ?? new EtcdError("LeaseNotFound")));
        return;
      }
      const leaseTimeToLiveResponse = rpcpb.newLeaseTimeToLiveResponse({
        // Empty, but there: a real etcd that forwarded the question panics without one.
        header: rpcpb.newResponseHeader(),
        id: request.id,
        ttl: found.ttl,
        grantedTtl: found.grantedTtl,
        keys: [...found.keys],
      });
      resolve(protobuf(leasepb.encodeLeaseInternalResponse({ leaseTimeToLiveResponse })));
    });
  });
}

/** Asks the leader to promote; its own refusals come back as the same errors. */
export async function forwardPromote(
  member: Member,
  leader: MemberRecord,
  id: MemberId,
  ask: (
    url: string,
    path: string,
  ) => Promise<{ readonly status: number; readonly body: Uint8Array }>,
): Promise<void> {
  for (const url of leader.peerURLs) {
    let answer: { readonly status: number; readonly body: Uint8Array };
    try {
      answer = await ask(url, `/members/promote/${id}`);
    } catch {
      continue;
    }
    if (answer.status === 200) return;
    const said = Buffer.from(answer.body).toString();
    if (answer.status === 404) throw new EtcdError("MemberNotFound");
    if (answer.status === 408) throw new EtcdError("Timeout");
    if (answer.status === 412) {
      throw new EtcdError(said.includes("in sync") ? "LearnerNotReady" : "MemberNotLearner");
    }
    throw new EtcdError(member.leader === leader.id ? "Unhealthy" : "LeaderChanged");
  }
  throw new EtcdError("Timeout");
}

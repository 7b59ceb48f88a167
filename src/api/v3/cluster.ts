/** etcdserverpb.Cluster. Source: etcd server/etcdserver/api/v3rpc/member.go. */
import { type Member as MemberRecord, parseUrls } from "../../core/membership/index.ts";
import { EtcdError, rpcpb } from "../../proto/index.ts";
import type { Method } from "../../rpc/index.ts";
import { requireUser } from "./access.ts";
import { type ApiContext, header, unary } from "./context.ts";

export function clusterMethods(ctx: ApiContext): [string, Method][] {
  return [
    ["/etcdserverpb.Cluster/MemberAdd", addMethod(ctx)],
    ["/etcdserverpb.Cluster/MemberRemove", removeMethod(ctx)],
    ["/etcdserverpb.Cluster/MemberUpdate", updateMethod(ctx)],
    ["/etcdserverpb.Cluster/MemberList", listMethod(ctx)],
    ["/etcdserverpb.Cluster/MemberPromote", promoteMethod(ctx)],
  ];
}

const toProto = (m: MemberRecord): rpcpb.Member => ({
  id: m.id,
  name: m.name,
  peerURLs: [...m.peerURLs],
  clientURLs: [...m.clientURLs],
  isLearner: m.isLearner,
});

/** The URLs as etcd prints them, or undefined for bad ones. */
function checkedUrls(urls: readonly string[]): string[] | undefined {
  const parsed = parseUrls(urls);
  return parsed.ok ? parsed.value.map((u) => u.text) : undefined;
}

/** Headers of this service carry no revision. */
const bareHeader = (ctx: ApiContext): rpcpb.ResponseHeader => header(ctx, 0);

const addMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeMemberAddRequest,
    (request, reply) => {
      const urls = checkedUrls(request.peerURLs);
      if (urls === undefined) {
        reply(new EtcdError("MemberBadURLs"));
        return;
      }
      const id = ctx.member.membership.add(urls, request.isLearner, (error, members) => {
        if (members === undefined) {
          reply(error);
          return;
        }
        const added = members.find((m) => m.id === id);
        const answer = {
          header: bareHeader(ctx),
          member: added === undefined ? undefined : toProto(added),
          members: members.map(toProto),
        };
        reply(undefined, rpcpb.encodeMemberAddResponse(answer));
      });
    },
    { access: (r) => (checkedUrls(r.peerURLs) === undefined ? "own" : "root") },
  );

const removeMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeMemberRemoveRequest,
    (request, reply) => {
      ctx.member.membership.remove(request.id, (error, members) => {
        if (members === undefined) reply(error);
        else {
          const answer = { header: bareHeader(ctx), members: members.map(toProto) };
          reply(undefined, rpcpb.encodeMemberRemoveResponse(answer));
        }
      });
    },
    { access: "root" },
  );

const updateMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeMemberUpdateRequest,
    (request, reply) => {
      // etcd does not look at the URLs; it would end by those of a member that it knows.
      const known = ctx.member.members().some((m) => m.id === request.id);
      const urls = known ? checkedUrls(request.peerURLs) : request.peerURLs;
      if (urls === undefined) {
        reply(new EtcdError("MemberBadURLs"));
        return;
      }
      ctx.member.membership.update(request.id, urls, (error, members) => {
        if (members === undefined) reply(error);
        else {
          const answer = { header: bareHeader(ctx), members: members.map(toProto) };
          reply(undefined, rpcpb.encodeMemberUpdateResponse(answer));
        }
      });
    },
    { access: "root" },
  );

const listMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeMemberListRequest,
    (request, reply, _bytes, call) => {
      const answer = (): void =>
        requireUser(ctx, call, reply, () => {
          const members = ctx.member.members().map(toProto);
          reply(undefined, rpcpb.encodeMemberListResponse({ header: bareHeader(ctx), members }));
        });
      if (!request.linearizable) answer();
      else ctx.member.linearize((error) => (error === undefined ? answer() : reply(error)));
    },
    { access: "own" },
  );

const promoteMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeMemberPromoteRequest,
    (request, reply) => {
      ctx.member.promote(request.id, (error, members) => {
        if (members === undefined) reply(error);
        else {
          const answer = { header: bareHeader(ctx), members: members.map(toProto) };
          reply(undefined, rpcpb.encodeMemberPromoteResponse(answer));
        }
      });
    },
    { access: "root" },
  );

/** etcdserverpb.Lease. Source: etcd server/etcdserver/api/v3rpc/lease.go. */

import type { AuthInfo } from "../../core/auth/index.ts";
import type { LeaseId } from "../../core/types.ts";
import { EtcdError, rpcpb } from "../../proto/index.ts";
import type { Method, StreamCall } from "../../rpc/index.ts";
import { hasChanged, identify } from "./access.ts";
import { BulkResponses } from "./bulk-responses.ts";
import {
  type ApiContext,
  currentHeader,
  decodeOrFail,
  fail,
  openStream,
  unary,
} from "./context.ts";

export function leaseMethods(ctx: ApiContext): [string, Method][] {
  return [
    ["/etcdserverpb.Lease/LeaseGrant", grantMethod(ctx)],
    ["/etcdserverpb.Lease/LeaseRevoke", revokeMethod(ctx)],
    [
      "/etcdserverpb.Lease/LeaseKeepAlive",
      { kind: "stream", type: "bidi_stream", open: (call) => keepAlive(ctx, call) },
    ],
    ["/etcdserverpb.Lease/LeaseTimeToLive", timeToLiveMethod(ctx)],
    ["/etcdserverpb.Lease/LeaseLeases", leasesMethod(ctx)],
  ];
}

const grantMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeLeaseGrantRequest,
    (request, reply) => {
      ctx.member.proposals.leaseGrant(request.id, request.ttl, (error, granted) => {
        if (granted === undefined) reply(error);
        else {
          const { id, ttl } = granted;
          const answer = { header: currentHeader(ctx), id, ttl, error: "" };
          reply(undefined, rpcpb.encodeLeaseGrantResponse(answer));
        }
      });
    },
    { access: "user" },
  );

const revokeMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeLeaseRevokeRequest,
    (request, reply, _bytes, _call, who) => {
      ctx.member.proposals.leaseRevoke(
        request.id,
        (error) => {
          if (error !== undefined) reply(error);
          else reply(undefined, rpcpb.encodeLeaseRevokeResponse({ header: currentHeader(ctx) }));
        },
        who,
      );
    },
    { access: "user" },
  );

const timeToLiveMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeLeaseTimeToLiveRequest,
    (request, reply, _bytes, call, who) => {
      const wasEnabled = ctx.member.authority.enabled;
      const refused = request.keys ? refuseKeys(ctx, who, [request.id]) : undefined;
      if (refused !== undefined) {
        reply(refused);
        return;
      }
      ctx.member.leases.timeToLive(request.id, request.keys, (error, found) => {
        const stale = request.keys ? hasChanged(ctx, who) : undefined;
        if (error !== undefined && error.code !== "LeaseNotFound") {
          reply(error);
          return;
        }
        if (stale !== undefined && error === undefined) {
          reply(stale);
          return;
        }
        const answer = (): Uint8Array =>
          rpcpb.encodeLeaseTimeToLiveResponse(
            rpcpb.newLeaseTimeToLiveResponse({
              header: currentHeader(ctx),
              id: request.id,
              ttl: found?.ttl ?? -1,
              grantedTtl: found?.grantedTtl ?? 0,
              keys: [...(found?.keys ?? [])],
            }),
          );
        if (!request.keys || wasEnabled || !ctx.member.authority.enabled) {
          reply(undefined, answer());
          return;
        }
        // It went on meanwhile: nobody has asked yet who calls.
        identify(ctx, call, reply, (now) => {
          const late = refuseKeys(ctx, now, [request.id]);
          if (late === undefined) reply(undefined, answer());
          else reply(late);
        });
      });
    },
    { access: "user" },
  );

const leasesMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeLeaseLeasesRequest,
    (_request, reply, _bytes, _call, who) => {
      ctx.member.state.whenWhole(() => {
        const ids = ctx.member.state.lessor.leases();
        const refused = refuseKeys(ctx, who, ids);
        if (refused !== undefined) {
          reply(refused);
          return;
        }
        const leases = ids.map((id) => ({ id }));
        reply(undefined, rpcpb.encodeLeaseLeasesResponse({ header: currentHeader(ctx), leases }));
      });
    },
    { access: "user" },
  );

/** Whoever is told of leases must be allowed to read what hangs on them. */
function refuseKeys(
  ctx: ApiContext,
  who: AuthInfo | undefined,
  ids: readonly LeaseId[],
): EtcdError | undefined {
  const { checks, store } = ctx.member.state.auth;
  if (!store.enabled) return undefined;
  if (who === undefined) return new EtcdError("UserEmpty");
  for (const id of ids) {
    const refused = checks.leaseRead(who, id);
    if (refused !== undefined) return new EtcdError(refused);
  }
  return undefined;
}

/** Renewals are answered in the order in which they came; an unknown lease answers TTL 0. */
function keepAlive(ctx: ApiContext, call: StreamCall): void {
  const waiting: LeaseId[] = [];
  const headers = new BulkResponses();
  let busy = false;
  let ending = false;
  const onLost = (): void => {
    waiting.length = 0;
  };
  const release = openStream(ctx, call, { onLost });
  if (release === undefined) return;
  /** The usual renewal, in one go: nothing waits, and the lease is this member's to renew. */
  const renewed = (id: LeaseId): boolean => {
    if (ctx.member.authority.enabled) return false;
    const header = currentHeader(ctx);
    const ttl = ctx.member.leases.renewNow(id);
    if (ttl === undefined) return false;
    if (!call.send(headers.keepAlive(header, id, ttl))) call.pause();
    return true;
  };
  const next = (): void => {
    if (call.writable && waiting.length < waitingLimit / 2) call.resume();
    const id = waiting.shift();
    if (id === undefined) {
      if (ending) call.end();
      return;
    }
    busy = true;
    // The revision of before the renewal, so that it cannot be newer than what was renewed.
    const header = currentHeader(ctx);
    const answered = (error: EtcdError | undefined, ttl?: number): void => {
      busy = false;
      if (call.ended) return;
      if (error !== undefined && error.code !== "LeaseNotFound") {
        release();
        fail(call, error);
        return;
      }
      if (!call.send(headers.keepAlive(header, id, ttl ?? 0))) call.pause();
      next();
    };
    if (!ctx.member.authority.enabled) ctx.member.leases.keepAlive(id, answered);
    else {
      identify(ctx, call, answered, (who) =>
        ctx.member.leases.keepAlive(id, answered, () => refuseRenewal(ctx, who, id)),
      );
    }
  };
  call.onDrain = () => call.resume();
  call.onMessage = (bytes) => {
    const request = decodeOrFail(call, rpcpb.decodeLeaseKeepAliveRequest, bytes);
    if (request === undefined) {
      release();
      return;
    }
    if (!busy && renewed(request.id)) return;
    waiting.push(request.id);
    if (waiting.length >= waitingLimit) call.pause();
    if (!busy) next();
  };
  call.onEnd = () => {
    release();
    ending = true;
    if (!busy) next();
  };
  call.onCancel = () => {
    release();
    waiting.length = 0;
  };
}

/** A renewal keeps the lease's keys alive: whoever asks for it must be allowed to write them. */
function refuseRenewal(
  ctx: ApiContext,
  who: AuthInfo | undefined,
  id: LeaseId,
): EtcdError | undefined {
  const { checks, store } = ctx.member.state.auth;
  if (!store.enabled) return undefined;
  if (who === undefined) return new EtcdError("UserEmpty");
  const refused = checks.leaseRenew(who, id);
  return refused === undefined ? undefined : new EtcdError(refused);
}

/** Renewals of one stream that may wait for the leader's answer; then the client is held back. */
const waitingLimit = 1000;

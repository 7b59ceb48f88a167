/** What every gRPC service shares: response headers, errors, the checks before a method runs. */

import type { AuthInfo } from "../../core/auth/index.ts";
import { noMember, type Revision } from "../../core/types.ts";
import type { Clock, Logger, Random } from "../../ports/index.ts";
import type { ResponseHeader } from "../../proto/gen/rpcpb.ts";
import { EtcdError, ProtoError } from "../../proto/index.ts";
import type { MessageBytes, Method, StatusCode, StreamCall, UnaryCall } from "../../rpc/index.ts";
import { Status } from "../../rpc/index.ts";
import type { Member, Passwords, Reply } from "../../server/index.ts";
import { type Access, requireRoot, requireUser } from "./access.ts";

export interface ApiContext {
  readonly member: Member;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Between two progress notifications of a watcher that asked for them. */
  readonly watchProgressMs: number;
  /** --warning-unary-request-duration; undefined: nothing is warned of. */
  readonly slowRequestMs?: number;
  /** bcrypt as --bcrypt-cost says; undefined: etcd's default. */
  readonly passwords?: Passwords;
}

/** A header; `revision` 0 stands for "none", as in the answers of the Cluster service. */
export const header = (ctx: ApiContext, revision: number): ResponseHeader => ({
  clusterId: ctx.member.clusterId,
  memberId: ctx.member.id,
  revision: revision as Revision,
  raftTerm: ctx.member.term,
});

/** A header with the store's current revision. */
export const currentHeader = (ctx: ApiContext): ResponseHeader =>
  header(ctx, ctx.member.kv.revision);

/** Ends a call with an error of ours; anything but an EtcdError is a bug, and Unknown. */
export function fail(call: UnaryCall | StreamCall, error: unknown): void {
  if (error instanceof EtcdError) call.fail(error.status as StatusCode, error.message);
  else call.fail(Status.unknown, error instanceof Error ? error.message : String(error));
}

export interface UnaryOptions<Request> {
  /** Who may call, when authentication is on. */
  readonly access: Access | ((request: Request) => Access);
  /** A learner answers this request too; others are refused there. */
  readonly onLearner?: (request: Request) => boolean;
}

/**
 * A unary method: decodes, applies etcd's interceptors (v3rpc/interceptor.go: learner, required
 * leader), asks whether the caller may, runs `handle`, answers with what it replies. `who` calls,
 * if `access` asked for them.
 */
export function unary<Request>(
  ctx: ApiContext,
  decode: (bytes: Uint8Array) => Request,
  handle: (
    request: Request,
    reply: Reply<MessageBytes>,
    bytes: Uint8Array,
    call: UnaryCall,
    who: AuthInfo | undefined,
  ) => void,
  options: UnaryOptions<Request>,
): Method {
  return {
    kind: "unary",
    handle: (bytes, call) => {
      const request = decodeOrFail(call, decode, bytes, badRequest);
      if (request === undefined) return;
      const { member } = ctx;
      if (member.isLearner && options.onLearner?.(request) !== true) {
        fail(call, new EtcdError("NotSupportedForLearner"));
        return;
      }
      if (requiresLeader(call) && lacksLeader(member)) {
        fail(call, new EtcdError("NoLeader"));
        return;
      }
      const beganMs = ctx.clock.nowMs();
      const reply: Reply<MessageBytes> = (error, message) => {
        const tookMs = ctx.clock.nowMs() - beganMs;
        if (tookMs > (ctx.slowRequestMs ?? Number.POSITIVE_INFINITY)) {
          tellSlow(ctx, call, tookMs, bytes, message);
        }
        if (error !== undefined) fail(call, error);
        else call.respond(message as MessageBytes);
      };
      const { access } = options;
      const asked = typeof access === "string" ? access : access(request);
      if (asked === "own" || !member.authority.enabled) {
        handle(request, reply, bytes, call, undefined);
        return;
      }
      const require = asked === "root" ? requireRoot : requireUser;
      require(ctx, call, reply, (who) => handle(request, reply, bytes, call, who));
    },
  };
}

/** etcd's line; never keys or values, which its own has. */
function tellSlow(
  ctx: ApiContext,
  call: UnaryCall,
  tookMs: number,
  request: Uint8Array,
  message: MessageBytes | undefined,
): void {
  const parts = message instanceof Uint8Array ? [message] : (message ?? []);
  let size = 0;
  for (const part of parts) size += part.byteLength;
  ctx.logger.warn("request stats", {
    "start time": new Date(ctx.clock.wallMs() - tookMs).toISOString(),
    "time spent": `${tookMs.toFixed(3)}ms`,
    remote: call.peer.address,
    "response type": call.path,
    "request size": request.byteLength,
    "response size": size,
  });
}

export const requiresLeader = (call: UnaryCall | StreamCall): boolean =>
  call.metadata.get("hasleader") === "true";

/** Without one for as long as a follower of etcd would still believe in the last. */
const lacksLeader = ({ leadership, options }: Member): boolean =>
  leadership.leaderlessMs >= options.electionMs;

/** grpc-go's words, for unary calls and for streams, and protobuf-go's. */
const badRequest = "error unmarshalling request";
const badMessage = "failed to unmarshal the received message";
const protobufGo = {
  format: "proto: cannot parse invalid wire-format data",
  text: "string field contains invalid UTF-8",
  depth: "proto: exceeded maximum recursion depth",
} as const;

/** The decoded request; undefined when the call was failed as grpc-go fails it. */
export function decodeOrFail<Request>(
  call: UnaryCall | StreamCall,
  decode: (bytes: Uint8Array) => Request,
  bytes: Uint8Array,
  kind: typeof badRequest | typeof badMessage = badMessage,
): Request | undefined {
  try {
    return decode(bytes);
  } catch (error) {
    if (!(error instanceof ProtoError)) throw error;
    const text = protobufGo[error.kind];
    call.fail(Status.internal, `grpc: ${kind}: ${text}`);
    return undefined;
  }
}

export interface StreamOptions {
  /** A learner serves this stream too. */
  readonly onLearner?: boolean;
  /** The stream was ended for want of a leader: let go of what it holds. */
  readonly onLost: () => void;
}

/**
 * Refuses a stream on a learner, and ends one that asked for a leader (`hasleader`) once there has
 * been none for three election timeouts. Returns how to stop watching; undefined when refused.
 */
export function openStream(
  ctx: ApiContext,
  call: StreamCall,
  options: StreamOptions,
): (() => void) | undefined {
  const { member, clock } = ctx;
  if (member.isLearner && options.onLearner !== true) {
    fail(call, new EtcdError("NotSupportedForLearner"));
    return undefined;
  }
  if (!requiresLeader(call)) return () => undefined;
  if (lacksLeader(member)) {
    fail(call, new EtcdError("NoLeader"));
    return undefined;
  }
  let cancel = (): void => undefined;
  const follow = (): void => {
    cancel();
    if (member.leader !== noMember) return;
    cancel = clock.after(3 * member.options.electionMs, () => {
      release();
      fail(call, new EtcdError("NoLeader"));
      options.onLost();
    });
  };
  const off = member.leadership.onChange(follow);
  const release = (): void => {
    off();
    cancel();
  };
  follow();
  return release;
}

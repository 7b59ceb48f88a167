/**
 * Who calls, and whether they may: every method of the v3 services asks here, and apply asks again for
 * what goes through the log. Nothing is asked while authentication is off. Source: etcd
 * server/etcdserver/v3_server.go (AuthInfoFromCtx, requireAuthInfo, doSerialize), v3rpc/util.go.
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { AuthInfo, AuthResult } from "../../core/auth/index.ts";
import { EtcdError } from "../../proto/index.ts";
import type { StreamCall, UnaryCall } from "../../rpc/index.ts";
import type { Credentials, Reply } from "../../server/index.ts";
import type { ApiContext } from "./context.ts";

type Call = UnaryCall | StreamCall;
/** Goes on as this user; undefined when authentication is off or nobody was named. */
export type Then = (who: AuthInfo | undefined) => void;
type Refuse = (error: EtcdError) => void;

/**
 * What a method asks before its handler runs. `user`: somebody must be named; `root`: somebody with
 * the role root; `own`: the handler asks at the moment when etcd does, by the functions below.
 */
export type Access = "user" | "root" | "own";

const nobody: AuthInfo = { username: "", revision: 0 };

/** Who calls. Refused is only a token that is none. */
export function identify(ctx: ApiContext, call: Call, refuse: Refuse, then: Then): void {
  const { authority } = ctx.member;
  if (!authority.enabled) then(undefined);
  else {
    authority.identify(new CallCredentials(call), (error, who) => {
      if (error === undefined) then(who);
      else refuse(error);
    });
  }
}

/** As `identify`; nobody is refused. */
export function requireUser(ctx: ApiContext, call: Call, refuse: Refuse, then: Then): void {
  identify(ctx, call, refuse, (who) => {
    if (who === undefined && ctx.member.authority.enabled) refuse(new EtcdError("UserEmpty"));
    else then(who);
  });
}

/** As `identify`; whoever lacks the role root is refused. */
export function requireRoot(ctx: ApiContext, call: Call, refuse: Refuse, then: Then): void {
  identify(ctx, call, refuse, (who) => {
    const refused = ctx.member.state.auth.store.checkAdmin(who);
    if (refused === undefined) then(who);
    else refuse(new EtcdError(refused));
  });
}

/**
 * As `requireRoot`, for what costs us much: whoever is refused by what is known here is only
 * refused for good by what the cluster knows.
 */
export function requireRootOfCluster(
  ctx: ApiContext,
  call: Call,
  refuse: Refuse,
  then: Then,
): void {
  requireRoot(
    ctx,
    call,
    () => {
      ctx.member.linearize((error) => {
        if (error !== undefined) refuse(error);
        else requireRoot(ctx, call, refuse, then);
      });
    },
    then,
  );
}

export interface GuardedRead<T> {
  /** Answered from local data, without asking the others first. */
  readonly serializable: boolean;
  check(who: AuthInfo): AuthResult;
  /** Reads; `local`: what had to be waited for has been. */
  read(local: boolean, reply: Reply<T>): void;
}

/** A read that is checked after its read index, and thrown away when users changed meanwhile. */
export function guardedRead<T>(
  ctx: ApiContext,
  call: Call,
  guarded: GuardedRead<T>,
  reply: Reply<T>,
): void {
  const { authority } = ctx.member;
  if (authority.enabled) {
    permitRead(ctx, call, guarded, reply, (who) => {
      guarded.read(true, (error, result) => {
        if (error !== undefined) reply(error);
        else reply(hasChanged(ctx, who), result);
      });
    });
    return;
  }
  guarded.read(guarded.serializable, (error, result) => {
    // This member only learned while it waited that it has to ask who calls.
    if (authority.enabled) guardedRead(ctx, call, guarded, reply);
    else reply(error, result);
  });
}

/** Waits for the read index and asks whether this may be read. */
export function permitRead(
  ctx: ApiContext,
  call: Call,
  { serializable, check }: Pick<GuardedRead<unknown>, "serializable" | "check">,
  refuse: Refuse,
  then: Then,
): void {
  const permit = (): void =>
    identify(ctx, call, refuse, (who) => {
      const refused = check(who ?? nobody);
      if (refused === undefined) then(who);
      else refuse(new EtcdError(refused));
    });
  if (serializable) permit();
  else ctx.member.linearize((error) => (error === undefined ? permit() : refuse(error)));
}

/** AuthOldRevision when what `who` was permitted may not hold any more. */
export function hasChanged(ctx: ApiContext, who: AuthInfo | undefined): EtcdError | undefined {
  if (who === undefined || who.revision === ctx.member.state.auth.store.revision) return undefined;
  return new EtcdError("AuthOldRevision");
}

/** Of a call: its token, or the certificate of its connection. */
class CallCredentials implements Credentials {
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  token(): string | undefined {
    const { metadata } = this.#call;
    return (metadata.get("token") ?? metadata.get("authorization"))?.replace(/^Bearer /, "");
  }

  commonName(): string | undefined {
    // The gateway's requests come over a connection of its own; their CN would be the member's.
    if (this.#call.metadata.get("grpcgateway-accept") !== undefined) return undefined;
    return commonNameOf(this.#call.peer.socket);
  }
}

/** A certificate does not change while its connection lasts, and reading it is slow. */
const commonNames = new WeakMap<Socket | TLSSocket, string>();

/** Undefined without a certificate that was verified. */
export function commonNameOf(socket: Socket | TLSSocket): string | undefined {
  const known = commonNames.get(socket);
  if (known !== undefined) return known;
  if (!("authorized" in socket) || !socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string | string[] } };
  if (subject === undefined) return undefined;
  // Of several names the last one counts, as in Go's pkix.Name.
  const name = Array.isArray(subject.CN) ? (subject.CN.at(-1) ?? "") : (subject.CN ?? "");
  commonNames.set(socket, name);
  return name;
}

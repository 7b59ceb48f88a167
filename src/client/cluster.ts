import type { MemberId } from "../core/types.ts";
import type { rpcpb } from "../proto/client/index.ts";
import type { Caller, CallOptions } from "./client.ts";
import { methods } from "./methods.ts";

/** The Cluster service. Each answer carries the membership after the change. */
export class Cluster {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Serializable (`linearizable: false`) is one member's own view and needs no quorum. */
  memberList(
    options: CallOptions & { readonly linearizable?: boolean } = {},
  ): Promise<rpcpb.MemberListResponse> {
    return this.#caller.call(
      methods.memberList,
      { linearizable: options.linearizable ?? true },
      options,
    );
  }

  /** Throws PeerURLExist, MemberNotEnoughStarted, TooManyLearners (RpcError.etcd). */
  memberAdd(
    peerURLs: readonly string[],
    options: CallOptions & { readonly learner?: boolean } = {},
  ): Promise<rpcpb.MemberAddResponse> {
    const request = { peerURLs: [...peerURLs], isLearner: options.learner ?? false };
    return this.#caller.call(methods.memberAdd, request, options);
  }

  /** Throws MemberNotFound, MemberNotLearner, LearnerNotReady (try again later). */
  memberPromote(id: MemberId, options?: CallOptions): Promise<rpcpb.MemberPromoteResponse> {
    return this.#caller.call(methods.memberPromote, { id }, options);
  }

  /** Throws MemberNotFound, MemberNotEnoughStarted, Unhealthy. */
  memberRemove(id: MemberId, options?: CallOptions): Promise<rpcpb.MemberRemoveResponse> {
    return this.#caller.call(methods.memberRemove, { id }, options);
  }

  memberUpdate(
    id: MemberId,
    peerURLs: readonly string[],
    options?: CallOptions,
  ): Promise<rpcpb.MemberUpdateResponse> {
    return this.#caller.call(methods.memberUpdate, { id, peerURLs: [...peerURLs] }, options);
  }
}

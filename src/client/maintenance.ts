import type { MemberId, Revision } from "../core/types.ts";
import type { rpcpb } from "../proto/client/index.ts";
import type { Caller, CallOptions } from "./client.ts";
import { RpcError } from "./errors.ts";
import { methods } from "./methods.ts";
import { serverStream, type Trailers } from "./stream.ts";

/** The Maintenance service. Where a call concerns one member, its endpoint is named. */
export class Maintenance {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  status(endpoint: string, options: CallOptions = {}): Promise<rpcpb.StatusResponse> {
    return this.#caller.call(methods.status, {}, { ...options, endpoint });
  }

  /** Hash over the history up to `revision`; 0 = up to now. */
  hashKv(endpoint: string, revision = 0, options: CallOptions = {}): Promise<rpcpb.HashKVResponse> {
    return this.#caller.call(
      methods.hashKv,
      { revision: revision as Revision },
      { ...options, endpoint },
    );
  }

  /**
   * Hands leadership to a voter. Only the leader can: it is looked for among the client's endpoints
   * unless `options.endpoint` names it. Throws NotLeader, BadLeaderTransferee.
   */
  async moveLeader(target: MemberId, options: CallOptions = {}): Promise<rpcpb.MoveLeaderResponse> {
    const endpoint = options.endpoint ?? (await this.#leaderEndpoint(options));
    return this.#caller.call(methods.moveLeader, { targetId: target }, { ...options, endpoint });
  }

  /** Action 0 get, 1 activate, 2 deactivate; member 0 = all; alarm 0 any, 1 NOSPACE, 2 CORRUPT. */
  alarm(request: rpcpb.AlarmRequest, options?: CallOptions): Promise<rpcpb.AlarmResponse> {
    return this.#caller.call(methods.alarm, request, options);
  }

  defragment(endpoint: string, options: CallOptions = {}): Promise<rpcpb.DefragmentResponse> {
    return this.#caller.call(methods.defragment, {}, { ...options, endpoint });
  }

  /** Action 0 validate, 1 enable, 2 cancel; `version` is "" for cancel. */
  downgrade(
    action: rpcpb.DowngradeAction,
    version: string,
    options?: CallOptions,
  ): Promise<rpcpb.DowngradeResponse> {
    return this.#caller.call(methods.downgrade, { action, version }, options);
  }

  /**
   * The snapshot file in pieces, in order; the last one is the SHA-256 of all before it. Without a
   * deadline unless `timeoutMs` is given. `onTrailers` gets the trailers, by name, before a stream that
   * was complete ends: a Quoin's say what the file holds (quoin-revision, ...), etcd sends none.
   */
  async *snapshot(
    options: CallOptions & { readonly onTrailers?: (trailers: Trailers) => void } = {},
  ): AsyncGenerator<rpcpb.SnapshotResponse> {
    yield* serverStream(this.#caller, methods.snapshot, {}, options, options.onTrailers);
  }

  async #leaderEndpoint(options: CallOptions): Promise<string> {
    const answers = await Promise.allSettled(
      this.#caller.endpoints.map(async (endpoint) => {
        const answer = await this.status(endpoint, options);
        return { endpoint, leads: answer.leader === answer.header?.memberId };
      }),
    );
    for (const answer of answers) {
      if (answer.status === "fulfilled" && answer.value.leads) return answer.value.endpoint;
    }
    throw new RpcError(9, `no leader endpoint given at [${this.#caller.endpoints.join(" ")}]`, "");
  }
}

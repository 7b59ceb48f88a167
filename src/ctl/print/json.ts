import type { rpcpb } from "../../proto/client/index.ts";
import type { Output } from "../output.ts";
import { goJson, type Json, omitEmpty } from "./go-json.ts";
import type { EndpointHashKv, EndpointHealth, EndpointStatus, Printer } from "./printer.ts";
import * as records from "./records.ts";

/** One line of JSON per answer, member for member what Go's encoding/json makes of etcd's structs. */
export class JsonPrinter implements Printer {
  readonly kind = "json";
  readonly #out: Output;
  /** Ids of members and clusters as hexadecimal text; only membership answers know it. */
  readonly #hex: boolean;

  constructor(out: Output, asHex: boolean) {
    this.#out = out;
    this.#hex = asHex;
  }

  put(r: rpcpb.PutResponse): void {
    this.#print(records.put(r));
  }

  get(r: rpcpb.RangeResponse): void {
    this.#print(records.range(r));
  }

  del(r: rpcpb.DeleteRangeResponse): void {
    this.#print(records.deleteRange(r));
  }

  txn(r: rpcpb.TxnResponse): void {
    this.#print(records.txn(r));
  }

  watch(r: rpcpb.WatchResponse): void {
    this.#print(records.watch(r));
  }

  grant(r: rpcpb.LeaseGrantResponse): void {
    this.#print({ ...embedded(r.header), ID: r.id, TTL: r.ttl, Error: r.error });
  }

  revoke(_id: bigint, r: rpcpb.LeaseRevokeResponse): void {
    this.#print(omitEmpty({ header: records.header(r.header) }));
  }

  keepAlive(r: rpcpb.LeaseKeepAliveResponse): void {
    this.#print({ ...embedded(r.header), ID: r.id, TTL: r.ttl });
  }

  timeToLive(r: rpcpb.LeaseTimeToLiveResponse): void {
    this.#print({
      ...embedded(r.header),
      id: r.id,
      ttl: r.ttl,
      "granted-ttl": r.grantedTtl,
      keys: r.keys.length === 0 ? null : r.keys,
    });
  }

  leases(r: rpcpb.LeaseLeasesResponse): void {
    this.#print({ ...embedded(r.header), leases: r.leases.map(({ id }) => ({ id })) });
  }

  memberAdd(r: rpcpb.MemberAddResponse): void {
    this.#membership(r, r.member);
  }

  memberRemove(_id: bigint, r: rpcpb.MemberRemoveResponse): void {
    this.#membership(r);
  }

  memberUpdate(_id: bigint, r: rpcpb.MemberUpdateResponse): void {
    this.#membership(r);
  }

  memberPromote(_id: bigint, r: rpcpb.MemberPromoteResponse): void {
    this.#membership(r);
  }

  memberList(r: rpcpb.MemberListResponse): void {
    this.#membership(r);
  }

  endpointHealth(list: readonly EndpointHealth[]): void {
    this.#print(
      list.map(({ endpoint, health, took, error }) => ({
        endpoint,
        health,
        took,
        error: error === "" ? undefined : error,
      })),
    );
  }

  endpointStatus(list: readonly EndpointStatus[]): void {
    this.#list(list.map((s) => ({ Endpoint: s.endpoint, Status: records.status(s.status) })));
  }

  endpointHashKv(list: readonly EndpointHashKv[]): void {
    this.#list(list.map((h) => ({ Endpoint: h.endpoint, HashKV: records.hashKv(h.hashKv) })));
  }

  moveLeader(_leader: bigint, _target: bigint, r: rpcpb.MoveLeaderResponse): void {
    this.#print(omitEmpty({ header: records.header(r.header) }));
  }

  alarm(r: rpcpb.AlarmResponse): void {
    this.#print(records.alarms(r));
  }

  downgrade(_action: string, r: rpcpb.DowngradeResponse): void {
    this.#answer(r.header, { version: r.version });
  }

  changed(_text: string, r: { readonly header: rpcpb.ResponseHeader | undefined }): void {
    this.#answer(r.header, {});
  }

  roleGet(_role: string, r: rpcpb.AuthRoleGetResponse): void {
    this.#answer(r.header, { perm: r.perm.map(records.permission) });
  }

  roleList(r: rpcpb.AuthRoleListResponse): void {
    this.#answer(r.header, { roles: r.roles });
  }

  userGet(_name: string, r: rpcpb.AuthUserGetResponse): void {
    this.#answer(r.header, { roles: r.roles });
  }

  userList(r: rpcpb.AuthUserListResponse): void {
    this.#answer(r.header, { users: r.users });
  }

  authStatus(r: rpcpb.AuthStatusResponse): void {
    this.#answer(r.header, { enabled: r.enabled, authRevision: r.authRevision });
  }

  #answer(header: rpcpb.ResponseHeader | undefined, rest: Record<string, Json>): void {
    this.#print(omitEmpty({ header: records.header(header), ...rest }));
  }

  #membership(
    r: { header: rpcpb.ResponseHeader | undefined; members: rpcpb.Member[] },
    added?: rpcpb.Member,
  ): void {
    if (this.#hex) {
      const members = r.members.map(records.hexMember);
      const member = added && records.hexMember(added);
      this.#print({ header: records.hexHeader(r.header), member, members });
      return;
    }
    const members = r.members.map(records.member);
    const member = added && records.member(added);
    this.#print(omitEmpty({ header: records.header(r.header), member, members }));
  }

  /** A nil slice in Go. */
  #list(list: readonly Json[]): void {
    this.#print(list.length === 0 ? null : list);
  }

  #print(value: Json): void {
    this.#out.text(`${goJson(value)}\n`);
  }
}

/** An embedded header keeps omitempty for its members. */
const embedded = (h: rpcpb.ResponseHeader | undefined): Record<string, Json> =>
  h === undefined ? {} : (omitEmpty(records.headerMembers(h)) as Record<string, Json>);

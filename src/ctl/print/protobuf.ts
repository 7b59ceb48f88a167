import { rpcpb } from "../../proto/client/index.ts";
import { CommandError, exitCode } from "../exit.ts";
import type { Output } from "../output.ts";
import { type Printer, unsupported } from "./printer.ts";

type Headed = { readonly header: rpcpb.ResponseHeader | undefined };
const no = unsupported("protobuf");

/**
 * The answer's bytes as they came over the wire, without anything behind them. Lease answers are
 * their header alone: etcdctl prints a struct of its client there, of which Go's library sees no more.
 */
export class ProtobufPrinter implements Printer {
  readonly kind = "protobuf";
  readonly #out: Output;

  readonly endpointHealth = no;
  readonly endpointStatus = no;
  readonly endpointHashKv = no;

  constructor(out: Output) {
    this.#out = out;
  }

  put(r: rpcpb.PutResponse): void {
    this.#out.bytes(rpcpb.encodePutResponse(r));
  }

  get(r: rpcpb.RangeResponse): void {
    this.#out.bytes(rpcpb.encodeRangeResponse(r));
  }

  del(r: rpcpb.DeleteRangeResponse): void {
    this.#out.bytes(rpcpb.encodeDeleteRangeResponse(r));
  }

  txn(r: rpcpb.TxnResponse): void {
    this.#out.bytes(rpcpb.encodeTxnResponse(r));
  }

  watch(r: rpcpb.WatchResponse): void {
    const { header, events, compactRevision, canceled, created } = r;
    const seen = { header, events, compactRevision, canceled, created };
    this.#out.bytes(rpcpb.encodeWatchResponse(rpcpb.newWatchResponse(seen)));
  }

  grant(r: Headed): void {
    this.#headerAlone(r);
  }

  revoke(): void {
    const type = "*clientv3.LeaseRevokeResponse";
    throw new CommandError(exitCode.badFeature, `marshal unsupported for type ${type}`);
  }

  keepAlive(r: Headed): void {
    this.#headerAlone(r);
  }

  timeToLive(r: Headed): void {
    this.#headerAlone(r);
  }

  leases(r: Headed): void {
    this.#headerAlone(r);
  }

  memberAdd(r: rpcpb.MemberAddResponse): void {
    this.#out.bytes(rpcpb.encodeMemberAddResponse(r));
  }

  memberRemove(_id: bigint, r: rpcpb.MemberRemoveResponse): void {
    this.#out.bytes(rpcpb.encodeMemberRemoveResponse(r));
  }

  memberUpdate(_id: bigint, r: rpcpb.MemberUpdateResponse): void {
    this.#out.bytes(rpcpb.encodeMemberUpdateResponse(r));
  }

  memberPromote(_id: bigint, r: rpcpb.MemberPromoteResponse): void {
    this.#out.bytes(rpcpb.encodeMemberPromoteResponse(r));
  }

  memberList(r: rpcpb.MemberListResponse): void {
    this.#out.bytes(rpcpb.encodeMemberListResponse(r));
  }

  moveLeader(_leader: bigint, _target: bigint, r: rpcpb.MoveLeaderResponse): void {
    this.#out.bytes(rpcpb.encodeMoveLeaderResponse(r));
  }

  downgrade(_action: string, r: rpcpb.DowngradeResponse): void {
    this.#out.bytes(rpcpb.encodeDowngradeResponse(r));
  }

  alarm(r: rpcpb.AlarmResponse): void {
    this.#out.bytes(rpcpb.encodeAlarmResponse(r));
  }

  /** Every answer that has a header and nothing else looks alike. */
  changed(_text: string, { header }: Headed): void {
    this.#out.bytes(rpcpb.encodeAuthRoleAddResponse({ header }));
  }

  roleGet(_role: string, r: rpcpb.AuthRoleGetResponse): void {
    this.#out.bytes(rpcpb.encodeAuthRoleGetResponse(r));
  }

  roleList(r: rpcpb.AuthRoleListResponse): void {
    this.#out.bytes(rpcpb.encodeAuthRoleListResponse(r));
  }

  userGet(_name: string, r: rpcpb.AuthUserGetResponse): void {
    this.#out.bytes(rpcpb.encodeAuthUserGetResponse(r));
  }

  userList(r: rpcpb.AuthUserListResponse): void {
    this.#out.bytes(rpcpb.encodeAuthUserListResponse(r));
  }

  authStatus(r: rpcpb.AuthStatusResponse): void {
    this.#out.bytes(rpcpb.encodeAuthStatusResponse(r));
  }

  #headerAlone({ header }: Headed): void {
    if (header !== undefined) this.#out.bytes(rpcpb.encodeResponseHeader(header));
  }
}

import type { mvccpb, rpcpb } from "../../proto/client/index.ts";
import type { Output } from "../output.ts";
import { goQuote } from "./go-quote.ts";
import {
  alarmName,
  type EndpointHashKv,
  type EndpointHealth,
  type EndpointStatus,
  type Printer,
  unsupported,
} from "./printer.ts";
import { hex, leaseHex } from "./rows.ts";

type Header = rpcpb.ResponseHeader | undefined;
const no = unsupported("fields");

/** One `"Name" : value` per line; text as Go quotes it. */
export class FieldsPrinter implements Printer {
  readonly kind = "fields";
  readonly #out: Output;
  /** Ids in hexadecimal. */
  readonly #hex: boolean;

  readonly memberAdd = no;
  readonly memberRemove = no;
  readonly memberUpdate = no;
  readonly memberPromote = no;
  readonly moveLeader = no;
  readonly downgrade = no;
  readonly userGet = no;
  readonly userList = no;
  readonly authStatus = no;

  constructor(out: Output, asHex: boolean) {
    this.#out = out;
    this.#hex = asHex;
  }

  put(r: rpcpb.PutResponse): void {
    this.#header(r.header);
    if (r.prevKv !== undefined) this.#keyValue("Prev", r.prevKv);
  }

  get(r: rpcpb.RangeResponse): void {
    this.#header(r.header);
    for (const kv of r.kvs) this.#keyValue("", kv);
    this.#field("More", r.more);
    this.#field("Count", r.count);
  }

  del(r: rpcpb.DeleteRangeResponse): void {
    this.#header(r.header);
    this.#field("Deleted", r.deleted);
    for (const kv of r.prevKvs) this.#keyValue("Prev", kv);
  }

  txn(r: rpcpb.TxnResponse): void {
    this.#header(r.header);
    this.#field("Succeeded", r.succeeded);
    for (const op of r.responses) {
      if (op.responseRange !== undefined) this.get(op.responseRange);
      else if (op.responsePut !== undefined) this.put(op.responsePut);
      else if (op.responseDeleteRange !== undefined) this.del(op.responseDeleteRange);
    }
  }

  watch(r: rpcpb.WatchResponse): void {
    this.#header(r.header);
    for (const event of r.events) {
      this.#field("Type", event.type === 0 ? "PUT" : "DELETE");
      if (event.prevKv !== undefined) this.#keyValue("Prev", event.prevKv);
      if (event.kv !== undefined) this.#keyValue("", event.kv);
    }
  }

  grant(r: rpcpb.LeaseGrantResponse): void {
    this.#header(r.header);
    this.#field("ID", this.#leaseId(r.id));
    this.#field("TTL", r.ttl);
  }

  revoke(_id: bigint, r: rpcpb.LeaseRevokeResponse): void {
    this.#header(r.header);
  }

  keepAlive(r: rpcpb.LeaseKeepAliveResponse): void {
    this.#header(r.header);
    this.#field("ID", this.#leaseId(r.id));
    this.#field("TTL", r.ttl);
  }

  timeToLive(r: rpcpb.LeaseTimeToLiveResponse): void {
    this.#header(r.header);
    this.#field("ID", this.#leaseId(r.id));
    this.#field("TTL", r.ttl);
    this.#field("GrantedTTL", r.grantedTtl);
    for (const key of r.keys) this.#field("Key", goQuote(key));
  }

  leases(r: rpcpb.LeaseLeasesResponse): void {
    this.#header(r.header);
    for (const { id } of r.leases) this.#field("ID", this.#leaseId(id));
  }

  memberList(r: rpcpb.MemberListResponse): void {
    this.#header(r.header);
    for (const m of r.members) {
      this.#field("ID", this.#id(m.id));
      this.#field("Name", goQuote(m.name));
      for (const url of m.peerURLs) this.#field("PeerURL", goQuote(url));
      for (const url of m.clientURLs) this.#field("ClientURL", goQuote(url));
      this.#field("IsLearner", m.isLearner);
      this.#line("");
    }
  }

  endpointHealth(list: readonly EndpointHealth[]): void {
    for (const { endpoint, health, took, error } of list) {
      this.#field("Endpoint", goQuote(endpoint));
      this.#field("Health", health);
      this.#field("Took", took);
      this.#field("Error", error);
      this.#line("");
    }
  }

  endpointStatus(list: readonly EndpointStatus[]): void {
    for (const { endpoint, status: s } of list) {
      this.#header(s.header);
      this.#field("Version", goQuote(s.version));
      this.#field("StorageVersion", goQuote(s.storageVersion));
      this.#field("DBSize", s.dbSize);
      this.#field("DBSizeInUse", s.dbSizeInUse);
      this.#field("DBSizeQuota", s.dbSizeQuota);
      this.#field("Leader", s.leader);
      this.#field("IsLearner", s.isLearner);
      this.#field("RaftIndex", s.raftIndex);
      this.#field("RaftAppliedIndex", s.raftAppliedIndex);
      this.#field("Errors", `[${s.errors.join(" ")}]`);
      this.#field("Endpoint", goQuote(endpoint));
      this.#field("DowngradeTargetVersion", goQuote(s.downgradeInfo?.targetVersion ?? ""));
      this.#field("DowngradeEnabled", s.downgradeInfo?.enabled ?? false);
      this.#line("");
    }
  }

  endpointHashKv(list: readonly EndpointHashKv[]): void {
    for (const { endpoint, hashKv } of list) {
      this.#header(hashKv.header);
      this.#field("Endpoint", goQuote(endpoint));
      this.#field("Hash", hashKv.hash);
      this.#field("HashRevision", hashKv.hashRevision);
      this.#line("");
    }
  }

  alarm(r: rpcpb.AlarmResponse): void {
    this.#header(r.header);
    for (const { memberId, alarm } of r.alarms) {
      this.#field("MemberID", this.#id(memberId));
      this.#field("AlarmType", alarmName(alarm));
      this.#line("");
    }
  }

  changed(_text: string, r: { readonly header: Header }): void {
    this.#header(r.header);
  }

  roleGet(_role: string, r: rpcpb.AuthRoleGetResponse): void {
    this.#header(r.header);
    for (const { permType, key, rangeEnd } of r.perm) {
      // etcd's line has two blanks.
      this.#field("PermType", ` ${["READ", "WRITE", "READWRITE"][permType] ?? permType}`);
      this.#field("Key", goQuote(key));
      this.#field("RangeEnd", goQuote(rangeEnd));
    }
  }

  roleList(r: rpcpb.AuthRoleListResponse): void {
    this.#header(r.header);
    this.#line(`"Roles" :${r.roles.map((role) => ` ${goQuote(role)}`).join("")}`);
  }

  #header(h: Header): void {
    this.#field("ClusterID", this.#id(h?.clusterId ?? 0n));
    this.#field("MemberID", this.#id(h?.memberId ?? 0n));
    if ((h?.revision ?? 0) > 0) this.#field("Revision", h?.revision ?? 0);
    this.#field("RaftTerm", h?.raftTerm ?? 0);
  }

  #keyValue(prefix: string, kv: mvccpb.KeyValue): void {
    this.#field(`${prefix}Key`, goQuote(kv.key));
    this.#field(`${prefix}CreateRevision`, kv.createRevision);
    this.#field(`${prefix}ModRevision`, kv.modRevision);
    this.#field(`${prefix}Version`, kv.version);
    this.#field(`${prefix}Value`, goQuote(kv.value));
    this.#field(`${prefix}Lease`, this.#leaseId(kv.lease));
  }

  #id(id: bigint): string {
    return this.#hex ? hex(id) : String(id);
  }

  #leaseId(id: bigint): string {
    return this.#hex ? leaseHex(id) : String(id);
  }

  #field(name: string, value: string | number | bigint | boolean): void {
    this.#line(`"${name}" : ${value}`);
  }

  #line(text: string): void {
    this.#out.text(`${text}\n`);
  }
}

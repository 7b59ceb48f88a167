import type { mvccpb, rpcpb } from "../../proto/client/index.ts";
import type { Output } from "../output.ts";
import {
  alarmName,
  type EndpointHashKv,
  type EndpointHealth,
  type EndpointStatus,
  type Printer,
} from "./printer.ts";
import { roleLines } from "./role.ts";
import { hashKvRows, hex, leaseHex, memberRows, type Rows, statusRows } from "./rows.ts";

const newline = Buffer.from("\n");

/** Sixteen columns, blanks in front. */
const wideHex = (id: bigint): string => hex(id).padStart(16);

/** The text that people read. */
export class SimplePrinter implements Printer {
  readonly kind = "simple";
  readonly #out: Output;
  readonly #hex: boolean;

  constructor(out: Output, asHex: boolean) {
    this.#out = out;
    this.#hex = asHex;
  }

  put(r: rpcpb.PutResponse): void {
    this.#line("OK");
    if (r.prevKv !== undefined) this.#keyValue(r.prevKv);
  }

  get(r: rpcpb.RangeResponse, valueOnly: boolean): void {
    for (const kv of r.kvs) this.#keyValue(kv, valueOnly);
  }

  del(r: rpcpb.DeleteRangeResponse): void {
    this.#line(String(r.deleted));
    for (const kv of r.prevKvs) this.#keyValue(kv);
  }

  txn(r: rpcpb.TxnResponse): void {
    this.#line(r.succeeded ? "SUCCESS" : "FAILURE");
    for (const op of r.responses) {
      this.#line("");
      if (op.responseRange !== undefined) this.get(op.responseRange, false);
      else if (op.responsePut !== undefined) this.put(op.responsePut);
      else if (op.responseDeleteRange !== undefined) this.del(op.responseDeleteRange);
      else if (op.responseTxn !== undefined) this.txn(op.responseTxn);
    }
  }

  watch(r: rpcpb.WatchResponse): void {
    for (const event of r.events) {
      this.#line(event.type === 0 ? "PUT" : "DELETE");
      if (event.prevKv !== undefined) this.#keyValue(event.prevKv);
      if (event.kv !== undefined) this.#keyValue(event.kv);
    }
  }

  grant(r: rpcpb.LeaseGrantResponse): void {
    this.#line(`lease ${leaseHex(r.id)} granted with TTL(${r.ttl}s)`);
  }

  revoke(id: bigint): void {
    this.#line(`lease ${leaseHex(id)} revoked`);
  }

  keepAlive(r: rpcpb.LeaseKeepAliveResponse): void {
    this.#line(`lease ${leaseHex(r.id)} keepalived with TTL(${r.ttl})`);
  }

  timeToLive(r: rpcpb.LeaseTimeToLiveResponse, keys: boolean): void {
    if (r.grantedTtl === 0 && r.ttl === -1) {
      this.#line(`lease ${leaseHex(r.id)} already expired`);
      return;
    }
    const attached = r.keys.map((k) => Buffer.from(k).toString()).join(" ");
    const suffix = keys ? `, attached keys([${attached}])` : "";
    this.#line(
      `lease ${leaseHex(r.id)} granted with TTL(${r.grantedTtl}s), remaining(${r.ttl}s)${suffix}`,
    );
  }

  leases(r: rpcpb.LeaseLeasesResponse): void {
    this.#line(`found ${r.leases.length} leases`);
    for (const { id } of r.leases) this.#line(leaseHex(id));
  }

  memberAdd(r: rpcpb.MemberAddResponse): void {
    const as = r.member?.isLearner === true ? " as learner " : " ";
    const cluster = wideHex(r.header?.clusterId ?? 0n);
    this.#line(`Member ${wideHex(r.member?.id ?? 0n)} added${as}to cluster ${cluster}`);
  }

  memberRemove(id: bigint, r: rpcpb.MemberRemoveResponse): void {
    this.#line(`Member ${wideHex(id)} removed from cluster ${wideHex(r.header?.clusterId ?? 0n)}`);
  }

  memberUpdate(id: bigint, r: rpcpb.MemberUpdateResponse): void {
    this.#line(`Member ${wideHex(id)} updated in cluster ${wideHex(r.header?.clusterId ?? 0n)}`);
  }

  memberPromote(id: bigint, r: rpcpb.MemberPromoteResponse): void {
    this.#line(`Member ${wideHex(id)} promoted in cluster ${wideHex(r.header?.clusterId ?? 0n)}`);
  }

  memberList(r: rpcpb.MemberListResponse): void {
    this.#rows(memberRows(r.members));
  }

  endpointHealth(list: readonly EndpointHealth[]): void {
    for (const { endpoint, took, error } of list) {
      if (error === "") {
        this.#line(`${endpoint} is healthy: successfully committed proposal: took = ${took}`);
      } else {
        this.#out.error(`${endpoint} is unhealthy: failed to commit proposal: ${error}\n`);
      }
    }
  }

  endpointStatus(list: readonly EndpointStatus[]): void {
    this.#rows(statusRows(list));
  }

  endpointHashKv(list: readonly EndpointHashKv[]): void {
    this.#rows(hashKvRows(list));
  }

  moveLeader(leader: bigint, target: bigint): void {
    this.#line(`Leadership transferred from ${hex(leader)} to ${hex(target)}`);
  }

  alarm(r: rpcpb.AlarmResponse): void {
    for (const { memberId, alarm } of r.alarms) {
      this.#line(`memberID:${memberId} alarm:${alarmName(alarm)}`);
    }
  }

  downgrade(action: string, r: rpcpb.DowngradeResponse): void {
    this.#line(`Downgrade ${action} success, cluster version ${r.version}`);
  }

  changed(text: string): void {
    this.#line(text);
  }

  roleGet(role: string, r: rpcpb.AuthRoleGetResponse): void {
    const lines = roleLines(role, r.perm).map((line) => `${line}\n`);
    this.#out.bytes(Buffer.from(lines.join(""), "latin1"));
  }

  roleList(r: rpcpb.AuthRoleListResponse): void {
    for (const role of r.roles) this.#line(role);
  }

  userGet(name: string, r: rpcpb.AuthUserGetResponse): void {
    this.#line(`User: ${name}`);
    this.#line(`Roles:${r.roles.map((role) => ` ${role}`).join("")}`);
  }

  userList(r: rpcpb.AuthUserListResponse): void {
    for (const user of r.users) this.#line(user);
  }

  authStatus(r: rpcpb.AuthStatusResponse): void {
    this.#line(`Authentication Status: ${r.enabled}`);
    this.#line(`AuthRevision: ${r.authRevision}`);
  }

  #rows({ rows }: Rows): void {
    for (const row of rows) this.#line(row.join(", "));
  }

  #keyValue(kv: mvccpb.KeyValue, valueOnly = false): void {
    if (!valueOnly) this.#bytes(kv.key);
    this.#bytes(kv.value);
  }

  #bytes(bytes: Uint8Array): void {
    if (this.#hex) {
      this.#line(Buffer.from(bytes).toString("hex").replace(/../g, "\\x$&"));
    } else {
      this.#out.bytes(Buffer.concat([bytes, newline]));
    }
  }

  #line(text: string): void {
    this.#out.text(`${text}\n`);
  }
}

import type { rpcpb } from "../../proto/client/index.ts";
import type { Output } from "../output.ts";
import {
  type EndpointHashKv,
  type EndpointHealth,
  type EndpointStatus,
  type Printer,
  unsupported,
} from "./printer.ts";
import { hashKvRows, healthRows, memberRows, type Rows, statusRows } from "./rows.ts";

const no = unsupported("table");

/** Frames for the lists; everything else cannot be shown as a table. */
export class TablePrinter implements Printer {
  readonly kind = "table";
  readonly #out: Output;

  readonly put = no;
  readonly get = no;
  readonly del = no;
  readonly txn = no;
  readonly watch = no;
  readonly grant = no;
  readonly revoke = no;
  readonly keepAlive = no;
  readonly timeToLive = no;
  readonly leases = no;
  readonly memberAdd = no;
  readonly memberRemove = no;
  readonly memberUpdate = no;
  readonly memberPromote = no;
  readonly moveLeader = no;
  readonly downgrade = no;
  readonly alarm = no;
  readonly changed = no;
  readonly roleGet = no;
  readonly roleList = no;
  readonly userGet = no;
  readonly userList = no;
  readonly authStatus = no;

  constructor(out: Output) {
    this.#out = out;
  }

  memberList(r: rpcpb.MemberListResponse): void {
    this.#out.text(table(memberRows(r.members)));
  }

  endpointHealth(list: readonly EndpointHealth[]): void {
    this.#out.text(table(healthRows(list)));
  }

  endpointStatus(list: readonly EndpointStatus[]): void {
    this.#out.text(table(statusRows(list)));
  }

  endpointHashKv(list: readonly EndpointHashKv[]): void {
    this.#out.text(table(hashKvRows(list)));
  }
}

/** Centred upper-case heads, cells to the right. */
export function table({ header, rows }: Rows): string {
  const heads = header.map((h) => h.toUpperCase().replaceAll("_", " "));
  const widths = heads.map((h, i) => Math.max(h.length, ...rows.map((r) => (r[i] ?? "").length)));
  const rule = (left: string, middle: string, right: string): string =>
    left + widths.map((w) => "─".repeat(w + 2)).join(middle) + right;
  const line = (cells: readonly string[]): string => `│ ${cells.join(" │ ")} │`;
  const centre = (text: string, width: number): string => {
    const left = Math.floor((width - text.length) / 2);
    return " ".repeat(left) + text.padEnd(width - left);
  };
  const lines = [
    rule("┌", "┬", "┐"),
    line(heads.map((h, i) => centre(h, widths[i] as number))),
    rule("├", "┼", "┤"),
    ...rows.map((row) => line(widths.map((w, i) => (row[i] ?? "").padStart(w)))),
    rule("└", "┴", "┘"),
  ];
  return `${lines.join("\n")}\n`;
}

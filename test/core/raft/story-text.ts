import {
  type ConfChangeSingle,
  ConfChangeType,
  type ConfChangeV2,
  type Config,
  type ConfState,
  type Entry,
  EntryType,
  type Message,
  MessageType,
  type RawNode,
} from "../../../src/core/raft/index.ts";
import type { Index, MemberId, Term } from "../../../src/core/types.ts";

export const names = Object.fromEntries(Object.entries(MessageType).map(([k, v]) => [v, k]));
export const idOf = (s: string): MemberId => BigInt(s) as MemberId;
export const text = (b: Uint8Array): string => Buffer.from(b).toString();

export function parseOptions(named: Record<string, string>): Partial<Config> {
  return Object.fromEntries(
    Object.entries(named).map(([k, v]) => [
      k,
      v === "true" ? true : v === "false" ? false : Number(v),
    ]),
  );
}

const typeLetters: Record<string, ConfChangeSingle["type"]> = {
  v: ConfChangeType.AddNode,
  l: ConfChangeType.AddLearnerNode,
  r: ConfChangeType.RemoveNode,
  u: ConfChangeType.UpdateNode,
};
const transitions = ["auto", "implicit", "explicit"];

/** As text, so that entries stay readable: "auto v3 r1". */
export function encodeConfChange(transition = "auto", changes: readonly string[]): Uint8Array {
  return Buffer.from([transition, ...changes].join(" "));
}

export function decodeConfChange(_type: EntryType, data: Uint8Array): ConfChangeV2 | undefined {
  const [transition = "auto", ...changes] = text(data).split(" ");
  const number = transition === "" ? 0 : transitions.indexOf(transition);
  if (number < 0) return undefined;
  const list = changes.map((c) => ({
    type: typeLetters[c[0] ?? ""] ?? 0,
    nodeId: idOf(c.slice(1)),
  }));
  return {
    transition: number as ConfChangeV2["transition"],
    changes: list,
    context: new Uint8Array(0),
  };
}

export const show = (r: ReturnType<RawNode["propose"]>): string => {
  if (r.kind === "appended") return `appended ${r.first}..${r.last} in term ${r.term}`;
  return r.kind === "forwarded" ? `forwarded to ${r.to}` : `dropped: ${r.reason}`;
};

export const showValue = (v: unknown): string =>
  Array.isArray(v) ? `[${v.join(" ")}]` : typeof v === "object" ? JSON.stringify(v) : String(v);

export function showEntry(e: Entry): string {
  const data = e.data.length > 40 ? `${e.data.length} bytes` : `"${text(e.data)}"`;
  return `${e.index}/${e.term}${e.type === EntryType.Normal ? "" : " conf"} ${data}`;
}

export const showSnapshot = (m: { index: Index; term: Term; confState: ConfState }): string =>
  `${m.index}/${m.term} voters [${m.confState.voters}] learners [${m.confState.learners}]`;

export function showMessage(m: Message): string {
  const parts = [`${m.from}>${m.to} ${names[m.type]} term ${m.term}`];
  if (m.index > 0 || m.logTerm > 0) parts.push(`at ${m.index}/${m.logTerm}`);
  if (m.commit > 0) parts.push(`commit ${m.commit}`);
  if (m.reject) parts.push(`rejected, hint ${m.rejectHint}`);
  if (m.committed) parts.push(`committed ${m.committed.index}/${m.committed.term}`);
  if (m.snapshot) parts.push(`snapshot ${showSnapshot(m.snapshot.metadata)}`);
  if (m.context.length === 8) parts.push(`read ${Buffer.from(m.context).readUInt32LE(0)}`);
  else if (m.context.length > 0) parts.push(text(m.context));
  for (const e of m.entries) parts.push(`[${showEntry(e)}]`);
  return parts.join(" ");
}

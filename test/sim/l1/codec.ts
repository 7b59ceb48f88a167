import type { ConfChangeV2, EntryType } from "../../../src/core/raft/index.ts";
import type { MemberId } from "../../../src/core/types.ts";

/** A proposal or context: a 32-bit number, padded to `bytes`. */
export function encodeProposal(id: number, bytes: number): Uint8Array {
  const b = new Uint8Array(Math.max(4, bytes));
  new DataView(b.buffer).setUint32(0, id);
  return b;
}

export const decodeProposal = (b: Uint8Array): number =>
  b.length < 4 ? 0 : new DataView(b.buffer, b.byteOffset).getUint32(0);

/** One byte for the transition, then two for each change; ids are small here. */
export function encodeConfChange(cc: ConfChangeV2): Uint8Array {
  const b = [cc.transition as number];
  for (const c of cc.changes) b.push(c.type, Number(c.nodeId));
  return Uint8Array.from(b);
}

export function decodeConfChange(_type: EntryType, data: Uint8Array): ConfChangeV2 | undefined {
  const changes: ConfChangeV2["changes"] = [];
  for (let i = 1; i + 1 < data.length; i += 2) {
    const type = data[i] as ConfChangeV2["changes"][number]["type"];
    changes.push({ type, nodeId: BigInt(data[i + 1] as number) as MemberId });
  }
  const transition = (data[0] ?? 0) as ConfChangeV2["transition"];
  return { transition, changes, context: new Uint8Array(0) };
}

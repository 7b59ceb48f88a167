/** Put and DeleteRange on a session (etcd's server/etcdserver/txn/{put,delete}.go). */
import { toLatin1 } from "../../lib/bytes.ts";
import { keyRangeOf } from "./key-range.ts";
import { decodeKeyValue } from "./key-value.ts";
import type { Session } from "./session.ts";
import type { DeleteRangeRequest, DeleteResult, PutRequest, PutResult } from "./types.ts";

/** Writes one key. The request was checked against the state before (see checkPutState). */
export function executePut(
  session: Session,
  request: PutRequest,
  skipPrevious: boolean,
): PutResult {
  let { value, lease } = request;
  let prevKv: Uint8Array | undefined;
  const wantsPrevious = request.prevKv && !skipPrevious;
  if (wantsPrevious || request.ignoreValue || request.ignoreLease) {
    const old = session.live(toLatin1(request.key));
    const bytes = old === 0 ? undefined : session.value(old);
    if (wantsPrevious) prevKv = bytes;
    if (bytes !== undefined && (request.ignoreValue || request.ignoreLease)) {
      const before = decodeKeyValue(bytes);
      if (request.ignoreValue) value = before.value;
      if (request.ignoreLease) lease = before.lease;
    }
  }
  session.put(request.key, value, lease);
  return { kind: "put", prevKv, revision: session.revision };
}

/** Deletes what is alive in the range; without a hit the revision stays. */
export function executeDelete(
  session: Session,
  request: DeleteRangeRequest,
  skipPrevious: boolean,
): DeleteResult {
  const { tree } = session;
  const { table } = tree;
  const keys: string[] = [];
  const prevKvs: Uint8Array[] = [];
  const range = keyRangeOf(request.key, request.rangeEnd);
  tree.visit(range, -1, (key, head) => {
    if (table.tombstone(head)) return true;
    keys.push(key);
    if (request.prevKv && !skipPrevious) {
      const bytes = session.value(head);
      if (bytes !== undefined) prevKvs.push(bytes);
    }
    return true;
  });
  for (const key of keys) session.delete(key);
  return { kind: "deleteRange", deleted: keys.length, prevKvs, revision: session.revision };
}

// Results sorted by something that several keys share. etcd sorts with Go's sort.Sort, which leaves
// the order of equals open above twelve elements; so only what is not open is compared.

import type { mvccpb, rpcpb } from "../../src/proto/index.ts";

/** Up to this many Go's sort is an insertion sort, which keeps the order of equals. */
const stableUpTo = 12;

/** What the answer must share with etcd's: the sorted values in order, and the keys as a set. */
export function settleTies(request: rpcpb.RangeRequest, answer: rpcpb.RangeResponse): unknown {
  if (request.sortTarget === 0 || answer.count <= stableUpTo) return answer;
  const value = sortValue(request.sortTarget);
  const order = answer.kvs.map(value);
  // With a limit the cut may fall between equals: then even the set of keys is open.
  if (request.limit !== 0) return { ...answer, kvs: order };
  const byKey = [...answer.kvs].sort((a, b) => Buffer.compare(a.key, b.key));
  return { ...answer, kvs: byKey, order };
}

function sortValue(target: rpcpb.SortTarget): (kv: mvccpb.KeyValue) => unknown {
  if (target === 1) return (kv) => kv.version;
  if (target === 2) return (kv) => kv.createRevision;
  if (target === 3) return (kv) => kv.modRevision;
  return (kv) => kv.value;
}

/** The same for the ranges inside a txn. */
export function settleTxnTies(request: rpcpb.TxnRequest, answer: rpcpb.TxnResponse): unknown {
  const operations = answer.succeeded ? request.success : request.failure;
  const responses = answer.responses.map((response, i) => {
    const asked = operations[i];
    if (response.responseRange !== undefined && asked?.requestRange !== undefined) {
      return { responseRange: settleTies(asked.requestRange, response.responseRange) };
    }
    if (response.responseTxn !== undefined && asked?.requestTxn !== undefined) {
      return { responseTxn: settleTxnTies(asked.requestTxn, response.responseTxn) };
    }
    return response;
  });
  return { ...answer, responses };
}

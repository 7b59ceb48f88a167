/**
 * Transactions: every branch, nested ones too, is chosen before anything is written; then the chosen
 * operations are checked; then they run in order and see each other's writes (etcd's
 * server/etcdserver/txn/txn.go).
 */
import { compareBytes, emptyBytes, toLatin1 } from "../../lib/bytes.ts";
import { noLease } from "../types.ts";
import { keyRangeOf } from "./key-range.ts";
import { decodeKeyValue } from "./key-value.ts";
import { executeDelete, executePut } from "./mutate.ts";
import { executeRange } from "./range.ts";
import type { RecordId } from "./revision-table.ts";
import type { Session } from "./session.ts";
import {
  type Compare,
  CompareResult,
  CompareTarget,
  type MvccError,
  type MvccErrorCode,
  type OpResult,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type TxnRequest,
  type TxnResult,
} from "./types.ts";

/** A txn whose branch is known, with the plans of the txns among its operations, in order. */
export interface Plan {
  readonly succeeded: boolean;
  readonly ops: readonly RequestOp[];
  readonly nested: readonly Plan[];
}

/** Chooses all branches. If values were missing, the session knows, and the plan is worthless. */
export function planTxn(session: Session, request: TxnRequest): Plan {
  let succeeded = true;
  for (const compare of request.compare) {
    if (!holds(session, compare)) {
      succeeded = false;
      break;
    }
  }
  const ops = succeeded ? request.success : request.failure;
  const nested: Plan[] = [];
  for (const { requestTxn } of ops) {
    if (requestTxn !== undefined) nested.push(planTxn(session, requestTxn));
  }
  return { succeeded, ops, nested };
}

/** The first error among the chosen operations; afterwards they cannot fail. */
export function checkPlan(
  session: Session,
  plan: Plan,
  compactRevision: number,
): MvccErrorCode | undefined {
  let nested = 0;
  for (const op of plan.ops) {
    let code: MvccErrorCode | undefined;
    if (op.requestRange !== undefined) {
      code = checkRevision(op.requestRange, session.beginRevision, compactRevision);
    } else if (op.requestPut !== undefined) {
      code = checkPutState(session, op.requestPut);
    } else if (op.requestTxn !== undefined) {
      code = checkPlan(session, plan.nested[nested++]!, compactRevision);
    }
    if (code !== undefined) return code;
  }
  return undefined;
}

/** Whether a put can be applied: its lease exists, and so does the key it wants to keep parts of. */
export function checkPutState(session: Session, request: PutRequest): MvccErrorCode | undefined {
  if (request.lease !== noLease && !session.hasLease(request.lease)) return "ErrLeaseNotFound";
  if (!request.ignoreValue && !request.ignoreLease) return undefined;
  return session.live(toLatin1(request.key)) === 0 ? "ErrKeyNotFound" : undefined;
}

/** Runs a checked plan. A nested txn's header has no revision in etcd, hence 0. */
export function executePlan(
  session: Session,
  plan: Plan,
  compactRevision: number,
  skipRanges: boolean,
  top: boolean,
): TxnResult | MvccError {
  const responses: OpResult[] = [];
  let nested = 0;
  for (const op of plan.ops) {
    let result: OpResult | MvccError;
    if (op.requestRange !== undefined) {
      result = skipRanges
        ? skippedRange(session)
        : executeRange(session, op.requestRange, compactRevision);
    } else if (op.requestPut !== undefined) {
      result = executePut(session, op.requestPut, skipRanges);
    } else if (op.requestDeleteRange !== undefined) {
      result = executeDelete(session, op.requestDeleteRange, skipRanges);
    } else if (op.requestTxn !== undefined) {
      result = executePlan(session, plan.nested[nested++]!, compactRevision, skipRanges, false);
    } else {
      continue;
    }
    if (result.kind === "error") return result;
    responses.push(result);
  }
  const revision = top ? session.revision : (0 as typeof session.revision);
  return { kind: "txn", succeeded: plan.succeeded, responses, revision };
}

const skippedRange = (session: Session): OpResult => ({
  kind: "range",
  kvs: [],
  count: 0,
  more: false,
  revision: session.revision,
});

function checkRevision(
  request: RangeRequest,
  revision: number,
  compactRevision: number,
): MvccErrorCode | undefined {
  if (request.revision === 0) return undefined;
  if (request.revision > revision) return "ErrFutureRev";
  return request.revision < compactRevision ? "ErrCompacted" : undefined;
}

/**
 * A compare over a range must hold for every key in it; over nothing it is made once with a key of
 * all zeros, except that a value never equals or differs from that of a missing key.
 */
function holds(session: Session, compare: Compare): boolean {
  if (compare.rangeEnd.length > 0) return holdsForRange(session, compare);
  const record = session.live(toLatin1(compare.key));
  return record === 0 ? holdsForNothing(compare) : holdsFor(session, compare, record);
}

function holdsForRange(session: Session, compare: Compare): boolean {
  const { tree } = session;
  let seen = false;
  let result = true;
  tree.visit(keyRangeOf(compare.key, compare.rangeEnd), -1, (_key, head) => {
    if (tree.table.tombstone(head)) return true;
    seen = true;
    result = holdsFor(session, compare, head);
    return result;
  });
  return seen ? result : holdsForNothing(compare);
}

const holdsForNothing = (compare: Compare): boolean =>
  compare.target !== CompareTarget.Value && decide(compare, differenceToZero(compare));

/** True also when the value is missing: the whole operation will be run again then. */
function holdsFor(session: Session, compare: Compare, record: RecordId): boolean {
  const { table } = session.tree;
  const { target } = compare;
  if (target === CompareTarget.Version) {
    return decide(compare, table.version(record) - (compare.version ?? 0));
  }
  if (target === CompareTarget.Create) {
    return decide(compare, table.create(record) - (compare.createRevision ?? 0));
  }
  if (target === CompareTarget.Mod) {
    return decide(compare, table.main(record) - (compare.modRevision ?? 0));
  }
  if (target !== CompareTarget.Value && target !== CompareTarget.Lease) return decide(compare, 0);
  const bytes = session.value(record);
  if (bytes === undefined) return true;
  const kv = decodeKeyValue(bytes);
  return decide(
    compare,
    target === CompareTarget.Value
      ? compareBytes(kv.value, compare.value ?? emptyBytes)
      : compareLeases(kv.lease, compare.lease ?? noLease),
  );
}

function differenceToZero(compare: Compare): number {
  if (compare.target === CompareTarget.Version) return -(compare.version ?? 0);
  if (compare.target === CompareTarget.Create) return -(compare.createRevision ?? 0);
  if (compare.target === CompareTarget.Mod) return -(compare.modRevision ?? 0);
  if (compare.target === CompareTarget.Lease) return compareLeases(0n, compare.lease ?? noLease);
  return 0;
}

/** Lease ids compare as signed numbers. */
const compareLeases = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/** `difference` is negative, zero or positive: what is stored against what was asked. */
function decide(compare: Compare, difference: number): boolean {
  if (compare.result === CompareResult.Equal) return difference === 0;
  if (compare.result === CompareResult.NotEqual) return difference !== 0;
  if (compare.result === CompareResult.Greater) return difference > 0;
  if (compare.result === CompareResult.Less) return difference < 0;
  return true;
}

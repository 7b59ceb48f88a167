/**
 * Range: revision, count, limit, filters, order (etcd's server/etcdserver/txn/range.go). Everything
 * but the order by value is decided from the index; values are fetched only for what is returned.
 */
import { compareBytes, fromLatin1 } from "../../lib/bytes.ts";
import { noLease } from "../types.ts";
import { keyRangeOf } from "./key-range.ts";
import type { KeyRange, KeyTree } from "./key-tree.ts";
import { decodeKeyValue, encodeKeyValue } from "./key-value.ts";
import type { RecordId, RevisionTable } from "./revision-table.ts";
import type { Session } from "./session.ts";
import {
  type MvccError,
  type RangeRequest,
  type RangeResult,
  type RankedKey,
  type RankedSlice,
  SortOrder,
  SortTarget,
} from "./types.ts";

interface Found {
  readonly key: string;
  readonly record: RecordId;
}

const noBytes = new Uint8Array(0);

/**
 * True when a limit may be applied before sorting. With an order of NONE that holds for every
 * target, though other targets than the key are then sorted ascending: etcd sorts the first page.
 */
export const isDefaultOrder = (r: RangeRequest): boolean =>
  r.sortOrder === SortOrder.None ||
  (r.sortTarget === SortTarget.Key && r.sortOrder === SortOrder.Ascend);

const needsSort = (r: RangeRequest): boolean =>
  r.sortTarget !== SortTarget.Key || r.sortOrder === SortOrder.Descend;

export const hasRevisionFilters = (r: RangeRequest): boolean =>
  r.minModRevision !== 0 ||
  r.maxModRevision !== 0 ||
  r.minCreateRevision !== 0 ||
  r.maxCreateRevision !== 0;

/**
 * Reads what the session sees. `compactRevision` is the lowest revision that may be read. When
 * values are missing the session knows which, and the result must not be used.
 */
export function executeRange(
  session: Session,
  request: RangeRequest,
  compactRevision: number,
): RangeResult | MvccError {
  const revision = session.revision;
  if (request.revision > revision) return { kind: "error", code: "ErrFutureRev" };
  const at = request.revision <= 0 ? revision : request.revision;
  if (at < compactRevision) return { kind: "error", code: "ErrCompacted" };
  const range = keyRangeOf(request.key, request.rangeEnd);
  if (request.countOnly) {
    const count = session.tree.count(range, at);
    return { kind: "range", kvs: [], count, more: false, revision };
  }
  const limit = Math.max(0, request.limit);
  if (isPlain(request)) return plainRange(session, range, at, limit);
  const earlyLimit = isDefaultOrder(request) && !hasRevisionFilters(request) ? limit : 0;
  const single = request.rangeEnd.length === 0;
  let found = single
    ? findKey(session, range.start, at)
    : findRange(session, range, at, earlyLimit === 0 ? Number.POSITIVE_INFINITY : earlyLimit + 1);
  const partial = earlyLimit !== 0 && found.length > earlyLimit;
  const count = partial ? session.tree.count(range, at) : found.length;
  const { table } = session.tree;
  if (hasRevisionFilters(request)) found = found.filter((f) => passes(f.record, request, table));
  if (needsSort(request)) found = sort(session, found, request);
  const more = limit > 0 && found.length > limit;
  if (more) found.length = limit;
  return { kind: "range", kvs: rowsOf(session, found, request), count, more, revision };
}

/** One slice of a range at main revision `at`, out of the index alone; see KvStore.rank. */
export function rankKeys(
  tree: KeyTree,
  request: RangeRequest,
  at: number,
  from: string | undefined,
  budget: number,
): RankedSlice {
  const { start, end } = keyRangeOf(request.key, request.rangeEnd);
  const { table } = tree;
  const isFiltered = hasRevisionFilters(request);
  const keys: RankedKey[] = [];
  let visited = 0;
  let next: string | undefined;
  tree.visit({ start: from ?? start, end }, -1, (key, head) => {
    if (visited === budget) {
      next = key;
      return false;
    }
    visited++;
    const record = table.at(head, at);
    if (record === 0 || table.tombstone(record)) return true;
    if (isFiltered && !passes(record, request, table)) return true;
    keys.push({ key, record, rank: rankOf(record, request.sortTarget, table) });
    return true;
  });
  return { kind: "ranked", keys, next };
}

/** The rows as the request wants them, with their values or without. */
export const rowsOf = (
  session: Session,
  found: readonly Found[],
  request: RangeRequest,
): readonly Uint8Array[] =>
  request.keysOnly ? withoutValues(session, found, request) : valuesOf(session, found);

/** Whether the keys' own order will do, and all that the index finds is wanted, with its values. */
const isPlain = (r: RangeRequest): boolean =>
  r.rangeEnd.length > 0 && !r.keysOnly && !needsSort(r) && !hasRevisionFilters(r);

/** What nearly all long reads ask for, without an object for each row. */
function plainRange(session: Session, range: KeyRange, at: number, limit: number): RangeResult {
  const { tree } = session;
  const { table } = tree;
  const kvs: Uint8Array[] = [];
  let found = 0;
  let more = false;
  tree.visit(range, -1, (_, head) => {
    const record = table.at(head, at);
    if (record === 0 || table.tombstone(record)) return true;
    if (limit > 0 && found === limit) {
      more = true;
      return false;
    }
    found++;
    const bytes = session.value(record);
    if (bytes !== undefined) kvs.push(bytes);
    return true;
  });
  const count = more ? tree.count(range, at) : found;
  return { kind: "range", kvs, count, more, revision: session.revision };
}

function findKey(session: Session, key: string, at: number): Found[] {
  const { tree } = session;
  const record = tree.table.at(tree.locate(key), at);
  return record !== 0 && !tree.table.tombstone(record) ? [{ key, record }] : [];
}

function findRange(session: Session, range: KeyRange, at: number, most: number): Found[] {
  const { table } = session.tree;
  const found: Found[] = [];
  session.tree.visit(range, -1, (key, head) => {
    const record = table.at(head, at);
    if (record !== 0 && !table.tombstone(record)) found.push({ key, record });
    return found.length < most;
  });
  return found;
}

function passes(record: RecordId, r: RangeRequest, table: RevisionTable): boolean {
  const mod = table.main(record);
  const create = table.create(record);
  return (
    (r.maxModRevision === 0 || mod <= r.maxModRevision) &&
    (r.minModRevision === 0 || mod >= r.minModRevision) &&
    (r.maxCreateRevision === 0 || create <= r.maxCreateRevision) &&
    (r.minCreateRevision === 0 || create >= r.minCreateRevision)
  );
}

/** Stable in both directions: equal elements stay in key order, as etcd's do in short lists. */
function sort(session: Session, found: Found[], r: RangeRequest): Found[] {
  const sign = r.sortOrder === SortOrder.Descend ? -1 : 1;
  if (r.sortTarget === SortTarget.Key) return found.reverse();
  if (r.sortTarget === SortTarget.Value) return sortByValue(session, found, sign);
  const { table } = session.tree;
  const rank = (f: Found): number => rankOf(f.record, r.sortTarget, table);
  return found.sort((a, b) => sign * (rank(a) - rank(b)));
}

/** The number that a target ranks a row by; 0 where it is none. */
function rankOf(
  record: RecordId,
  target: RangeRequest["sortTarget"],
  table: RevisionTable,
): number {
  if (target === SortTarget.Mod) return table.main(record);
  if (target === SortTarget.Create) return table.create(record);
  return target === SortTarget.Version ? table.version(record) : 0;
}

function sortByValue(session: Session, found: Found[], sign: number): Found[] {
  const valued = found.map((f) => {
    const bytes = session.value(f.record);
    return { found: f, value: bytes === undefined ? noBytes : decodeKeyValue(bytes).value };
  });
  valued.sort((a, b) => sign * compareBytes(a.value, b.value));
  return valued.map((v) => v.found);
}

function valuesOf(session: Session, found: readonly Found[]): Uint8Array[] {
  const kvs: Uint8Array[] = [];
  for (const { record } of found) {
    const bytes = session.value(record);
    if (bytes !== undefined) kvs.push(bytes);
  }
  return kvs;
}

/**
 * keys_only. etcd answers it from its index, without the lease, unless the order is by value: then
 * only the value is emptied.
 */
function withoutValues(
  session: Session,
  found: readonly Found[],
  r: RangeRequest,
): readonly Uint8Array[] {
  if (r.sortTarget === SortTarget.Value) {
    return valuesOf(session, found).map((bytes) => {
      const kv = decodeKeyValue(bytes);
      const { key, createRevision, modRevision, version, lease } = kv;
      return encodeKeyValue(key, createRevision, modRevision, version, noBytes, lease);
    });
  }
  const { table } = session.tree;
  return found.map(({ key, record }) =>
    encodeKeyValue(
      fromLatin1(key),
      table.create(record),
      table.main(record),
      table.version(record),
      noBytes,
      noLease,
    ),
  );
}

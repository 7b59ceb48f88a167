/**
 * The rows of the kind `meta`. The first five are etcd's (server/storage/schema/schema.go), the
 * others ours; an export leaves those out.
 *
 * | key | value |
 * |---|---|
 * | consistent_index, term | 8 bytes big endian |
 * | confState | JSON of raftpb.ConfState |
 * | scheduledCompactRev, finishedCompactRev | a revision key with sub 0 |
 * | quoin_format | version of the row layout, 1 byte |
 * | quoin_revision, quoin_bytes | 8 bytes big endian |
 */
import type { ConfState } from "../../core/raft/types.ts";
import {
  type Index,
  index,
  type MemberId,
  type Revision,
  revision,
  term,
} from "../../core/types.ts";
import type { Row } from "../../ports/index.ts";
import { readU64, revRowKey, writeU64 } from "./keys.ts";
import { BackendError, type BackendMeta } from "./types.ts";

/** Of the rows this program writes; it refuses newer ones. */
const formatVersion = 1;

/** Keys of this prefix mean nothing to an etcd. */
export const ownMetaPrefix = "quoin_";

export const emptyMeta: BackendMeta = {
  appliedIndex: 0 as Index,
  appliedTerm: term(0),
  confState: undefined,
  revision: 1 as Revision,
  scheduledCompactRevision: 0 as Revision,
  finishedCompactRevision: 0 as Revision,
  logicalBytes: 0,
};

/** The rows that say `meta`, by name. */
export function encodeMeta(meta: BackendMeta): Map<string, Uint8Array> {
  const rows = new Map<string, Uint8Array>();
  rows.set("consistent_index", u64(meta.appliedIndex));
  rows.set("term", u64(meta.appliedTerm));
  if (meta.confState !== undefined) rows.set("confState", encodeConfState(meta.confState));
  if (meta.scheduledCompactRevision > 0) {
    rows.set("scheduledCompactRev", revRowKey(meta.scheduledCompactRevision, 0, false).subarray(1));
  }
  if (meta.finishedCompactRevision > 0) {
    rows.set("finishedCompactRev", revRowKey(meta.finishedCompactRevision, 0, false).subarray(1));
  }
  rows.set("quoin_format", Buffer.from([formatVersion]));
  rows.set("quoin_revision", u64(meta.revision));
  rows.set("quoin_bytes", u64(meta.logicalBytes));
  return rows;
}

/** Reads rows (keys without the kind's byte). Throws BackendError for a newer or unknown format. */
export function decodeMeta(rows: readonly Row[]): BackendMeta {
  const values = new Map(rows.map(([key, value]) => [Buffer.from(key).toString("latin1"), value]));
  const number = (name: string): number => {
    const value = values.get(name);
    return value === undefined || value.byteLength < 8 ? 0 : readU64(value, 0);
  };
  const format = values.get("quoin_format")?.[0] ?? formatVersion;
  if (format > formatVersion) {
    throw new BackendError(
      `Use a newer Quoin: the rows have format ${format}, this program knows up to ${formatVersion}`,
    );
  }
  const confState = values.get("confState");
  return {
    appliedIndex: index(number("consistent_index")),
    appliedTerm: term(number("term")),
    confState: confState === undefined ? undefined : decodeConfState(confState),
    revision: revision(Math.max(1, number("quoin_revision"))),
    scheduledCompactRevision: revision(number("scheduledCompactRev")),
    finishedCompactRevision: revision(number("finishedCompactRev")),
    logicalBytes: number("quoin_bytes"),
  };
}

/** As Go's encoding/json writes a raftpb.ConfState: empty lists left out, ids as numbers. */
export function encodeConfState(c: ConfState): Uint8Array {
  const list = (name: string, ids: readonly bigint[]): string =>
    ids.length === 0 ? "" : `"${name}":[${ids.join(",")}],`;
  return Buffer.from(
    `{${list("voters", c.voters)}${list("learners", c.learners)}` +
      `${list("voters_outgoing", c.votersOutgoing)}${list("learners_next", c.learnersNext)}` +
      `"auto_leave":${c.autoLeave}}`,
  );
}

/** Throws BackendError when it is no such JSON. Ids go beyond what JSON.parse keeps exact. */
export function decodeConfState(bytes: Uint8Array): ConfState {
  const text = Buffer.from(bytes).toString("utf8");
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(text.replace(/\d{5,}/g, '"$&"')) as Record<string, unknown>;
  } catch {
    throw new BackendError(`The stored confState is no JSON: ${JSON.stringify(text)}`);
  }
  const ids = (name: string): MemberId[] =>
    ((fields[name] ?? []) as (string | number)[]).map((id) => BigInt(id) as MemberId);
  return {
    voters: ids("voters"),
    learners: ids("learners"),
    votersOutgoing: ids("voters_outgoing"),
    learnersNext: ids("learners_next"),
    autoLeave: fields["auto_leave"] === true,
  };
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  writeU64(bytes, 0, value);
  return bytes;
}

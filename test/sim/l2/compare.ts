/** Compares a member's answers with the model's. */
import { toLatin1 } from "../../../src/lib/bytes.ts";
import { mvccpb } from "../../../src/proto/index.ts";
import type { Expected, KeyState } from "./model.ts";

/** The outcomes of StateMachine.apply, as far as they are looked at. */
export interface Outcome {
  readonly kind?: string;
  readonly code?: string;
  readonly revision?: number;
  readonly prevKv?: Uint8Array | undefined;
  readonly prevKvs?: readonly Uint8Array[];
  readonly deleted?: number;
  readonly succeeded?: boolean;
  readonly responses?: readonly Outcome[];
  readonly kvs?: readonly Uint8Array[];
}

export const stateOf = (encoded: Uint8Array): KeyState => fromKv(mvccpb.decodeKeyValue(encoded));

export function fromKv(kv: mvccpb.KeyValue): KeyState {
  return {
    key: toLatin1(kv.key),
    value: toLatin1(kv.value),
    create: kv.createRevision,
    mod: kv.modRevision,
    version: kv.version,
    lease: kv.lease,
  };
}

export const show = (s: KeyState | undefined): string =>
  s === undefined
    ? "nothing"
    : `${s.key}=${s.value.slice(0, 24)} c${s.create} m${s.mod} v${s.version} l${s.lease}`;

export const showAll = (states: readonly KeyState[]): string => `[${states.map(show).join("; ")}]`;

const sameStates = (a: readonly KeyState[], b: readonly KeyState[]): boolean =>
  a.length === b.length && a.every((s, i) => same(s, b[i]));

export const same = (a: KeyState | undefined, b: KeyState | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.key === b.key &&
    a.value === b.value &&
    a.create === b.create &&
    a.mod === b.mod &&
    a.version === b.version &&
    a.lease === b.lease);

/** What is wrong about the keys of a range; undefined when nothing is. */
export function differs(
  got: readonly Uint8Array[],
  expected: readonly KeyState[],
): string | undefined {
  const states = got.map(stateOf);
  return sameStates(states, expected)
    ? undefined
    : `got ${showAll(states)}, expected ${showAll(expected)}`;
}

/** `whole`: ranges and previous values were produced, since somebody waits for them. */
export function mismatch(got: Outcome, expected: Expected, whole: boolean): string | undefined {
  if (expected.kind === "error") {
    return got.code === expected.code ? undefined : `expected ${expected.code}, got ${name(got)}`;
  }
  if (got.code !== undefined) return `expected ${expected.kind}, got ${name(got)}`;
  if (expected.kind === "range") return whole ? differs(got.kvs ?? [], expected.kvs) : undefined;
  if (expected.kind === "other") return undefined;
  if (got.kind !== expected.kind) return `expected ${expected.kind}, got ${name(got)}`;
  if (got.revision !== expected.revision) {
    return `${got.kind} at revision ${got.revision}, expected ${expected.revision}`;
  }
  if (expected.kind === "put") {
    const prev = got.prevKv === undefined ? undefined : stateOf(got.prevKv);
    if (!whole || same(prev, expected.prev)) return undefined;
    return `previous value ${show(prev)}, expected ${show(expected.prev)}`;
  }
  if (expected.kind === "deleteRange") return deleteMismatch(got, expected.prevs, whole);
  if (got.succeeded !== expected.succeeded) return `a txn took the wrong branch`;
  for (let i = 0; i < expected.responses.length; i++) {
    const wrong = nestedMismatch(got.responses?.[i], expected.responses[i] as Expected, whole);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** Headers inside a txn are not looked at. */
function nestedMismatch(
  got: Outcome | undefined,
  expected: Expected,
  whole: boolean,
): string | undefined {
  if (got === undefined) return "a response is missing";
  if (expected.kind === "range") return mismatch(got, expected, whole);
  if (expected.kind === "deleteRange") return deleteMismatch(got, expected.prevs, whole);
  return got.kind === expected.kind ? undefined : `expected ${expected.kind}, got ${name(got)}`;
}

function deleteMismatch(
  got: Outcome,
  prevs: readonly KeyState[],
  whole: boolean,
): string | undefined {
  if (got.deleted !== prevs.length) return `deleted ${got.deleted}, expected ${prevs.length}`;
  const asked = (got.prevKvs?.length ?? 0) > 0;
  return whole && asked ? differs(got.prevKvs ?? [], prevs) : undefined;
}

const name = (o: Outcome): string => o.code ?? o.kind ?? "nothing";

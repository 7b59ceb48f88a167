/**
 * etcd's JSON for members: in conf-change contexts, in the `members` rows and on GET /members.
 * Written byte for byte as Go's encoding/json does (field order, omitted empties, HTML escapes),
 * read as leniently as Go reads (unknown fields skipped, missing ones zero).
 */
import { asBuffer } from "../../lib/bytes.ts";
import type { MemberId } from "../types.ts";
import { memberId } from "../types.ts";
import type { Member } from "./member.ts";
import { utf8 } from "./member.ts";
import type { Downgrade } from "./version.ts";

/** A conf change's context (membership.ConfigChangeContext). */
export interface ConfigChangeContext {
  readonly member: Member;
  /** A promotion and an addition share ConfChangeAddNode; this tells them apart. */
  readonly isPromote: boolean;
}

/** A member as Go marshals membership.Member. */
export function memberJson(m: Member): string {
  return `{${memberFields(m)}}`;
}

/** The body of GET /members, with the newline Go's Encoder appends. */
export function membersJson(members: readonly Member[]): string {
  return `[${members.map(memberJson).join(",")}]\n`;
}

/** Context of an addition or an update, as etcd proposes it (a plain Member). */
export const encodeMemberContext = (m: Member): Uint8Array => utf8(memberJson(m));

/** Context of a promotion: only the id and `isPromote`. */
export function encodePromoteContext(id: MemberId): Uint8Array {
  return utf8(`{"id":${id},"peerURLs":null,"isPromote":true}`);
}

/** Reads a context written by etcd or by us. Undefined when it is not such JSON. */
export function decodeContext(bytes: Uint8Array): ConfigChangeContext | undefined {
  const value = parse(bytes);
  const member = toMember(value);
  if (member === undefined) return undefined;
  return { member, isPromote: field(value, "isPromote") === true };
}

/** Reads one member, e.g. a `members` row. Undefined when it is not such JSON. */
export const decodeMember = (bytes: Uint8Array): Member | undefined => toMember(parse(bytes));

/** Reads the body of GET /members. Undefined when it is not a list of members. */
export function decodeMembers(bytes: Uint8Array): Member[] | undefined {
  const value = parse(bytes);
  if (!Array.isArray(value)) return undefined;
  const members = value.map(toMember);
  return members.every((m) => m !== undefined) ? members : undefined;
}

function memberFields(m: Member): string {
  const urls = m.peerURLs.map(quote).join(",");
  let text = `"id":${m.id},"peerURLs":[${urls}]`;
  if (m.isLearner) text += `,"isLearner":true`;
  if (m.name !== "") text += `,"name":${quote(m.name)}`;
  if (m.clientURLs.length > 0) text += `,"clientURLs":[${m.clientURLs.map(quote).join(",")}]`;
  return text;
}

/** A string as Go's encoding/json quotes it: <, >, &, U+2028 and U+2029 escaped. */
function quote(s: string): string {
  return JSON.stringify(s).replace(/[<>&\u2028\u2029]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

/** JSON with 64-bit integers: a number under "id" is read from its digits. */
function parse(bytes: Uint8Array): unknown {
  const reviver: Reviver = (key, value, context) =>
    key.toLowerCase() === "id" && /^\d+$/.test(context?.source ?? "")
      ? BigInt(context?.source ?? "")
      : value;
  try {
    return JSON.parse(
      asBuffer(bytes).toString("utf8"),
      reviver as (k: string, v: unknown) => unknown,
    );
  } catch {
    return undefined;
  }
}

/** A field by its name, else by its name in another case, as Go matches. */
function field(value: unknown, name: string): unknown {
  const object = value as Record<string, unknown>;
  if (Object.hasOwn(object, name)) return object[name];
  const key = Object.keys(object).find((k) => k.toLowerCase() === name.toLowerCase());
  return key === undefined ? undefined : object[key];
}

function toMember(value: unknown): Member | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const id = field(value, "id") ?? 0n;
  const name = field(value, "name") ?? "";
  const peerURLs = field(value, "peerURLs") ?? [];
  const clientURLs = field(value, "clientURLs") ?? [];
  if (typeof id !== "bigint" || typeof name !== "string") return undefined;
  if (!isStrings(peerURLs) || !isStrings(clientURLs)) return undefined;
  const isLearner = field(value, "isLearner") === true;
  return { id: memberId(id), name, peerURLs, clientURLs, isLearner };
}

const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((v) => typeof v === "string");

/** The row `downgrade` of the bucket `cluster` (version.DowngradeInfo). */
export const encodeDowngrade = (d: Downgrade): Uint8Array =>
  utf8(`{"target-version":${quote(d.targetVersion)},"enabled":${d.enabled}}`);

/** Undefined when it is not such JSON. */
export function decodeDowngrade(bytes: Uint8Array): Downgrade | undefined {
  const value = parse(bytes);
  if (typeof value !== "object" || value === null) return undefined;
  const target = field(value, "target-version");
  const targetVersion = typeof target === "string" ? target : "";
  return { enabled: field(value, "enabled") === true, targetVersion };
}

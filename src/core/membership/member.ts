import { fromLatin1 } from "../../lib/bytes.ts";
import type { ClusterId, MemberId } from "../types.ts";
import { clusterId, memberId } from "../types.ts";

/**
 * One member of the cluster (etcd membership/member.go). Records are immutable: a change makes a
 * new one. `name` and `clientURLs` are empty until the member has started and published itself.
 */
export interface Member {
  readonly id: MemberId;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

/** What a member publishes about itself (ClusterMemberAttrSet). */
export interface Attributes {
  readonly name: string;
  readonly clientURLs: readonly string[];
}

/** SHA-1 of some bytes, 20 bytes long; given by the caller, since core imports no crypto. */
export type Sha1 = (bytes: Uint8Array) => Uint8Array;

/** A member has started once its name is known. */
export const isStarted = (m: Member): boolean => m.name !== "";

/** Unsigned order of ids, as etcd lists members. */
export const byId = (a: Member, b: Member): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/**
 * Id of a new member: the first 8 bytes of SHA-1(sorted peer URLs joined + cluster token +
 * decimal unix seconds where given). Bootstrap leaves the time out, so that every member computes
 * the same ids; MemberAdd passes it, so that a member added again gets a new id.
 */
export function computeMemberId(
  sha1: Sha1,
  peerURLs: readonly string[],
  token: string,
  unixSeconds?: number,
): MemberId {
  const time = unixSeconds === undefined ? "" : String(Math.trunc(unixSeconds));
  const text = [...peerURLs].sort(byBytes).join("") + token + time;
  return memberId(firstUint64(sha1(utf8(text))));
}

/** Cluster id: the first 8 bytes of SHA-1 over all member ids, ascending, 8 bytes BE each. */
export function computeClusterId(sha1: Sha1, ids: readonly MemberId[]): ClusterId {
  const sorted = [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const bytes = new Uint8Array(8 * sorted.length);
  const view = new DataView(bytes.buffer);
  sorted.forEach((id, i) => {
    view.setBigUint64(8 * i, id);
  });
  return clusterId(firstUint64(sha1(bytes)));
}

function firstUint64(hash: Uint8Array): bigint {
  return new DataView(hash.buffer, hash.byteOffset, 8).getBigUint64(0);
}

/** UTF-8 bytes of a string, without Node's encoder. */
export function utf8(text: string): Uint8Array {
  return fromLatin1(unescape(encodeURIComponent(text)));
}

/** Order of Go strings: by their UTF-8 bytes; for the ASCII of URLs that is code-unit order. */
const byBytes = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

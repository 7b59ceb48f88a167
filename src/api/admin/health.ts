/** /health, /livez and /readyz. Source: etcd server/etcdserver/api/etcdhttp/health.go. */

import { noMember } from "../../core/types.ts";
import { newRangeRequest } from "../../proto/gen/rpcpb.ts";
import { rpcpb } from "../../proto/index.ts";
import type { Member } from "../../server/index.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** "" when the check passes, else why not. */
type Check = (member: Member) => Promise<string>;

export const plain = (status: number, body: string): HttpAnswer => ({
  status,
  contentType: "text/plain; charset=utf-8",
  body,
});

/** A range of a key that need not be there: does the read path answer at all? */
const probe = (serializable: boolean): Check => {
  const request = newRangeRequest({ key: Buffer.from("health"), limit: 1, serializable });
  return (member) =>
    new Promise((resolve) => {
      member.reads.range(request, (error) => resolve(error === undefined ? "" : error.message));
    });
};

const serializableRead = probe(true);
const linearizableRead = probe(false);

const dataCorruption: Check = async (member) =>
  member.state.alarms.has(rpcpb.AlarmType.CORRUPT) ? "alarm activated: CORRUPT" : "";

/** Clients wait until then, so nothing may send them here. (etcd's page is served only then.) */
const clientsServed: Check = async (member) =>
  member.isPublished ? linearizableRead(member) : "the member is not published to its cluster yet";

const nonLearner: Check = async (member) => (member.isLearner ? "local member is a learner" : "");

const checks: Readonly<Record<"livez" | "readyz", ReadonlyMap<string, Check>>> = {
  livez: new Map([["serializable_read", serializableRead]]),
  readyz: new Map([
    ["data_corruption", dataCorruption],
    ["serializable_read", serializableRead],
    ["linearizable_read", clientsServed],
    ["non_learner", nonLearner],
  ]),
};

/** `/livez`, `/readyz` and one check of either, e.g. `/readyz/non_learner`; undefined for others. */
export function probePage(
  member: Member,
  path: string,
  query: URLSearchParams,
): (() => Promise<HttpAnswer>) | undefined {
  const [, page, name, ...more] = path.split("/");
  if ((page !== "livez" && page !== "readyz") || more.length > 0) return undefined;
  const all = checks[page];
  if (name !== undefined && !all.has(name)) return undefined;
  const excluded = query.getAll("exclude");
  const wanted = [...all].filter(([n]) =>
    name === undefined ? !excluded.includes(n) : n === name,
  );
  return () => runChecks(member, wanted, query.has("verbose"));
}

async function runChecks(
  member: Member,
  wanted: readonly (readonly [string, Check])[],
  verbose: boolean,
): Promise<HttpAnswer> {
  const lines: string[] = [];
  let healthy = true;
  for (const [name, check] of wanted) {
    const failure = await check(member);
    if (failure !== "") healthy = false;
    lines.push(failure === "" ? `[+]${name} ok\n` : `[-]${name} failed: ${failure}\n`);
  }
  if (!healthy) return plain(503, `${lines.join("")}\n`);
  return plain(200, verbose ? `${lines.join("")}ok\n` : "ok\n");
}

/** `/health?serializable=true&exclude=NOSPACE`. */
export async function healthPage(member: Member, query: URLSearchParams): Promise<HttpAnswer> {
  const reason = await unhealthy(member, query);
  const body = JSON.stringify({ health: reason === "" ? "true" : "false", reason });
  return { ...plain(200, body), status: reason === "" ? 200 : 503 };
}

async function unhealthy(member: Member, query: URLSearchParams): Promise<string> {
  const excluded = query.getAll("exclude");
  for (const { alarm } of member.state.alarms.list()) {
    const name = alarm === rpcpb.AlarmType.NOSPACE ? "NOSPACE" : "CORRUPT";
    if (!excluded.includes(name)) return `ALARM ${name}`;
  }
  const serializable = query.get("serializable") === "true";
  if (!serializable && member.leader === noMember) return "RAFT NO LEADER";
  const failure = await (serializable ? serializableRead : linearizableRead)(member);
  return failure === "" ? "" : `RANGE ERROR:${failure}`;
}

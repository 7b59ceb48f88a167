// One workload on one cluster for some seconds, by the Go client of e2e/tools/bench.

import { spawnSync } from "node:child_process";
import type { Member } from "../test/process/member.ts";
import type { Row, Sizes } from "./matrix.ts";
import type { Measurement } from "./report.ts";

export interface Load {
  /** The program of e2e/tools/bench. */
  readonly tool: string;
  readonly sizes: Sizes;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

/** Preparing a workload on a slow machine included, and what the longest of them allows itself. */
const loadTimeoutMs = 300_000;

/** Throws with what the load generator says when it ends early or gets a wrong answer. */
export async function measureWindow(
  { tool, sizes, seconds, warmupSeconds }: Load,
  members: readonly Member[],
  row: Row,
): Promise<Measurement> {
  const endpoints = await leaderFirst(members);
  if (row.at === "follower") endpoints.reverse();
  const args = [
    ...["-endpoints", endpoints.join(","), "-workload", row.workload],
    ...["-pids", members.map((member) => member.pid).join(",")],
    ...["-clients", `${row.clients}`, "-conns", `${row.conns}`, ...row.flags(sizes)],
    ...["-duration", `${seconds}s`, "-warmup", `${warmupSeconds}s`],
  ];
  const { status, stdout, stderr, error } = spawnSync(tool, args, {
    encoding: "utf8",
    timeout: loadTimeoutMs,
  });
  if (status !== 0) throw new Error(error?.message ?? stderr.trim());
  return JSON.parse(stdout) as Measurement;
}

/** The members' endpoints, the leader's first. */
async function leaderFirst(members: readonly Member[]): Promise<string[]> {
  const leads = async (member: Member): Promise<boolean> => {
    using client = member.client();
    const status = await client.maintenance.status(member.endpoint);
    return status.leader === status.header?.memberId;
  };
  const flags = await Promise.all(members.map(leads));
  const order = members.map((member, i) => ({ endpoint: member.endpoint, leads: flags[i] }));
  return order.sort((a, b) => Number(b.leads) - Number(a.leads)).map(({ endpoint }) => endpoint);
}

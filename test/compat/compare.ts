// One run of the comparison, and what to do when it fails.

import type { Program } from "../process/member.ts";
import { seededRandom } from "../process/random.ts";
import { Generator, newWorld, type World } from "./generate.ts";
import { type Operation, show, showOperation } from "./operations.ts";
import { type Answer, difference, Subject } from "./subject.ts";

export interface Comparison {
  readonly operations: number;
  /** Answers by kind of operation, errors by text: shows that a run reaches every class. */
  readonly coverage: Record<string, number>;
  /** Undefined: all answers were equal. */
  readonly failure: Failure | undefined;
}

export interface Failure {
  readonly message: string;
  /** Everything up to and with the operation that was answered differently. */
  readonly history: readonly Operation[];
}

/** Supplies the operations of a run: generated, or a list to replay. */
type Source = (at: number) => Operation | undefined;

/** Sends `count` operations of the seed to both programs until one answer differs. */
export async function compare(
  oracle: Program,
  subject: Program,
  seed: number,
  count: number,
): Promise<Comparison> {
  const world = newWorld();
  const generator = new Generator(seededRandom(seed), world);
  const restarts = new Map<number, Operation>([
    [Math.floor(count / 3), { op: "restart", signal: "SIGKILL" }],
    [Math.floor((2 * count) / 3), { op: "restart", signal: "SIGTERM" }],
  ]);
  const ending: Operation[] = [{ op: "watchSync" }, { op: "leaseLeases" }, { op: "status" }];
  return run(oracle, subject, world, (at) => {
    if (at < count) return restarts.get(at) ?? generator.next();
    if (at < count + ending.length) return ending[at - count];
    // At last the hash of every tenth readable revision, and of the newest.
    const low = Math.max(1, world.compactRevision + 1);
    const step = Math.max(1, Math.floor((world.revision - low) / 10));
    const revision = low + (at - count - ending.length) * step;
    if (revision > world.revision + step) return undefined;
    const request = { revision: Math.min(revision, world.revision) as never };
    return { op: "hashKv", request };
  });
}

/** Sends a fixed list. */
export const replay = (
  oracle: Program,
  subject: Program,
  list: readonly Operation[],
): Promise<Comparison> => run(oracle, subject, newWorld(), (at) => list[at]);

async function run(
  oracle: Program,
  subject: Program,
  world: World,
  source: Source,
): Promise<Comparison> {
  await using a = await Subject.start(oracle);
  await using b = await Subject.start(subject);
  const history: Operation[] = [];
  const coverage: Record<string, number> = {};
  for (let at = 0; ; at++) {
    const operation = source(at);
    if (operation === undefined) return { operations: at, coverage, failure: undefined };
    history.push(operation);
    const message = await step(a, b, operation, world, coverage);
    if (message !== undefined) {
      return { operations: at + 1, coverage, failure: { message, history } };
    }
  }
}

async function step(
  a: Subject,
  b: Subject,
  operation: Operation,
  world: World,
  coverage: Record<string, number>,
): Promise<string | undefined> {
  const [left, right] = await Promise.allSettled([
    a.execute(operation, world.revision),
    b.execute(operation, world.revision),
  ]);
  // The oracle must not break down.
  if (left.status === "rejected") throw new Error(showOperation(operation), { cause: left.reason });
  const first = left.value;
  const kind = isError(first) ? `${operation.op}: ${first.text}` : operation.op;
  coverage[kind] = (coverage[kind] ?? 0) + 1;
  if (right.status === "rejected") return `${showOperation(operation)}\n  ${String(right.reason)}`;
  const found = difference(first, right.value);
  if (found !== undefined) {
    return [
      showOperation(operation),
      `  differs at ${found}`,
      `  ${a.name}: ${short(first)}`,
      `  ${b.name}: ${short(right.value)}`,
    ].join("\n");
  }
  learn(world, operation, first);
  return undefined;
}

const isError = (answer: Answer): answer is { code: string; text: string } =>
  typeof answer === "object" && answer !== null && "code" in answer && "text" in answer;

const short = (answer: Answer): string => {
  const text = show(answer);
  return text.length > 20000 ? `${text.slice(0, 20000)}...` : text;
};

/** Takes from the oracle's answer what the generator needs to know. */
function learn(world: World, operation: Operation, answer: Answer): void {
  if (isError(answer)) return;
  const header = (answer as { header?: { revision?: number } } | null)?.header;
  if (operation.op !== "watch") world.revision = Math.max(world.revision, header?.revision ?? 0);
  switch (operation.op) {
    case "compact":
      world.compactRevision = operation.request.revision;
      world.compactions.add(operation.request.revision);
      break;
    case "leaseGrant":
      world.leases.push(operation.request.id);
      break;
    case "leaseRevoke":
      world.leases = world.leases.filter((id) => id !== operation.request.id);
      break;
    case "watch":
      world.streams.push(operation.stream);
      break;
    case "watchEnd":
      world.streams = world.streams.filter((name) => name !== operation.stream);
      break;
    case "restart":
      world.streams = [];
      break;
    default:
  }
}

/**
 * A shorter list of operations that fails with the same operation kind at its end: drops ever
 * smaller pieces while the failure stays. Each try starts two fresh servers, so `budgetMs` bounds it.
 */
export async function shrink(
  oracle: Program,
  subject: Program,
  failure: Failure,
  budgetMs: number,
): Promise<Failure> {
  const deadline = Date.now() + budgetMs;
  let best = failure;
  const last = failure.history.at(-1)?.op;
  let piece = Math.ceil(best.history.length / 2);
  while (piece >= 1) {
    let at = 0;
    let dropped = false;
    while (at < best.history.length - 1) {
      if (Date.now() > deadline) return best;
      const rest = [
        ...best.history.slice(0, at),
        ...best.history.slice(Math.min(at + piece, best.history.length - 1)),
      ];
      // What makes the oracle stumble is no reproduction.
      const result = await replay(oracle, subject, rest).catch(() => undefined);
      if (result?.failure !== undefined && result.failure.history.at(-1)?.op === last) {
        best = result.failure;
        dropped = true;
      } else {
        at += piece;
      }
    }
    if (!dropped || piece > 1) piece = piece === 1 ? 0 : Math.ceil(piece / 2);
  }
  return best;
}

/** The report of a failed run. */
export function explain(seed: number, count: number, failure: Failure): string {
  const list = failure.history.map((o, i) => `  ${i + 1}. ${showOperation(o)}`);
  return [
    `seed ${seed}: operation ${failure.history.length} is answered differently`,
    failure.message,
    `replay: node test/compat/cli.ts --seed ${seed} --ops ${count} --shrink`,
    `operations (${list.length}):`,
    ...list.slice(-200),
  ].join("\n");
}

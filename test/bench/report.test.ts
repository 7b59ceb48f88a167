import assert from "node:assert/strict";
import { test } from "node:test";
import { chart } from "../../bench/chart.ts";
import { fullSizes, type Row, rows } from "../../bench/matrix.ts";
import { measuredParts, withPart } from "../../bench/page.ts";
import { compare, type Measurement, type Run, report, type Sample } from "../../bench/report.ts";

const row = (name: string, over: Partial<Row> = {}): Row => ({
  name,
  workload: "put",
  clients: 1,
  conns: 1,
  flags: () => [],
  members: [1],
  ...over,
});

const measured = (rate: number, cpu: number, over: Partial<Measurement> = {}): Measurement => ({
  rate,
  ops: rate,
  seconds: 1,
  errors: 0,
  p50Ms: 1,
  p99Ms: 2,
  p999Ms: 3,
  cpuMicrosPerOp: cpu,
  stolenShare: 0,
  ...over,
});

function runOf(samples: readonly Sample[]): Run {
  const about = {
    when: "2026-11-22T23:15:00.000Z",
    a: "etcd",
    b: "quoin",
    versions: ["etcd 3.7.3"],
    machine: "2 x CPU & <co>",
    cores: 2,
    disk: "ext4 /dev/vda",
    loadBefore: 0.1,
    sizes: fullSizes,
    seconds: 4,
    rounds: 2,
  };
  const starts = (["A", "B"] as const).map((program) => ({
    ...{ program, round: 1, members: 1 as const, readyMs: 500, rssBytes: 2 ** 20 },
  }));
  return { about, samples, starts };
}

const pair = (name: string, a: Measurement, b: Measurement, round = 1): Sample[] => [
  { program: "A", round, members: 1, name, result: a },
  { program: "B", round, members: 1, name, result: b },
];

test("compare() gives ours by etcd's, over all rounds and of the extreme ones", () => {
  const samples = [
    ...pair("put", measured(100, 50), measured(200, 10, { ownCpuMicrosPerOp: 200 })),
    ...pair("put", measured(100, 50), measured(400, 10, { ownCpuMicrosPerOp: 300 }), 2),
  ];
  const [c, ...others] = compare(runOf(samples), [row("put"), row("never run")]);
  assert.deepEqual(others, []);
  assert.equal(c?.rate, 3);
  assert.deepEqual(c?.rateSpan, [2, 4]);
  assert.equal(c?.cpu, 0.2);
  assert.equal(c?.verdict, "no aim");
  assert.equal(c?.ceiling, 80); // 2 cores at 250 us are 8000 a second
});

test("compare() holds a row to its rate and its CPU", () => {
  const aim = { rate: 2, cpu: 0.25 };
  const verdict = (rate: number, cpu: number): string | undefined =>
    compare(runOf(pair("put", measured(100, 100), measured(rate, cpu))), [row("put", { aim })])[0]
      ?.verdict;
  assert.equal(verdict(200, 25), "holds");
  assert.equal(verdict(199, 25), "falls short");
  assert.equal(verdict(200, 26), "falls short");
});

test("compare() lets no row hold that failed or answered with errors", () => {
  const aim = { rate: 1 };
  const failed = pair("put", measured(1, 1), measured(9, 1));
  failed.push({ program: "B", round: 2, members: 1, name: "put", failure: "wrong answer" });
  const [a] = compare(runOf(failed), [row("put", { aim })]);
  assert.equal(a?.verdict, "failed");
  assert.deepEqual(a?.failures, ["quoin: wrong answer"]);
  const erring = pair("put", measured(1, 1), measured(9, 1, { errors: 1 }));
  assert.equal(compare(runOf(erring), [row("put", { aim })])[0]?.verdict, "failed");
});

test("the page names what falls short, what holds it, and what is worse in spite of its aim", () => {
  const listed = [
    row("slow", { aim: { rate: 2 }, limit: "The disk holds it." }),
    row("fast", { aim: { rate: 2 }, limit: "Not to be read." }),
    row("fast but late", { aim: { rate: 2 } }),
  ];
  const run = runOf([
    ...pair("slow", measured(100, 10), measured(150, 10)),
    ...pair("fast", measured(100, 10), measured(250, 10)),
    ...pair("fast but late", measured(100, 10), measured(250, 10, { p99Ms: 3 })),
  ]);
  const { results, figures } = measuredParts(run, listed);
  assert.match(results, /\*\*2 of 3 aims hold/);
  assert.match(results, /slow, 1 member\*\*: falls short \(aim >= 2x, is 1\.50x\).*The disk holds/);
  assert.match(results, /fast but late, 1 member\*\*: holds; worse than etcd: p99 1\.50x/);
  assert.doesNotMatch(results, /Not to be read/);
  assert.match(figures, /\| fast but late \| etcd \|/);
  assert.match(report(run, listed), /slow, 1 member +etcd +100/);
});

test("withPart() replaces what is between the markers and nothing else", () => {
  const page = "a\n<!-- results: begin -->\nold\n<!-- results: end -->\nb\n";
  const once = withPart(page, "results", "new");
  assert.equal(once, "a\n<!-- results: begin -->\n\nnew\n\n<!-- results: end -->\nb\n");
  assert.equal(withPart(once, "results", "new"), once);
  assert.throws(() => withPart(page, "figures", "new"), /has no lines/);
});

test("chart() is well formed whatever a ratio is", () => {
  const run = runOf([
    ...pair("a < b & c", measured(100, 10), measured(1e6, 0)),
    ...pair("nothing", measured(0, 0), measured(0, 0)),
  ]);
  const list = compare(run, [row("a < b & c", { aim: { rate: 2 } }), row("nothing")]);
  const svg = chart("one", run.about.machine, list);
  assert.doesNotMatch(svg, /NaN|Infinity/);
  assert.match(svg, /a &lt; b &amp; c/);
  assert.match(svg, /2 x CPU &amp; &lt;co&gt;/);
});

test("rows have names of their own and run somewhere", () => {
  assert.equal(new Set(rows.map((r) => r.name)).size, rows.length);
  for (const r of rows) assert.ok(r.members.length > 0, r.name);
});

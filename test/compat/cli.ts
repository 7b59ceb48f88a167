// node test/compat/cli.ts [--seed N] [--runs N] [--ops N] [--subject quoin|etcd|COMMAND] [--shrink]

import { parseArgs } from "node:util";
import { etcd, programNamed } from "../process/member.ts";
import { compare, explain, shrink } from "./compare.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "1" },
    ops: { type: "string", default: "1000" },
    subject: { type: "string", default: "quoin" },
    shrink: { type: "boolean", default: false },
    coverage: { type: "boolean", default: false },
  },
});
const oracle = etcd();
const subject = programNamed(values.subject);
if (oracle === undefined || subject === undefined) {
  console.error("no real etcd to compare with: building it needs Go");
  process.exit(2);
}
const count = Number(values.ops);
for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.runs); seed++) {
  const began = Date.now();
  const result = await compare(oracle, subject, seed, count);
  if (result.failure !== undefined) {
    console.log(explain(seed, count, result.failure));
    if (values.shrink) {
      const small = await shrink(oracle, subject, result.failure, 120_000);
      console.log(`\nshrunk:\n${explain(seed, count, small)}`);
    }
    process.exit(1);
  }
  console.log(
    `seed ${seed}: ${result.operations} operations, all equal (${Date.now() - began} ms)`,
  );
  if (values.coverage) console.log(result.coverage);
}

// Auto-compaction by age: what is compacted, and what the log says of it. The rest of the algorithm
// takes minutes on etcd's clock: test/server/compactor.test.ts.

import { readFileSync } from "node:fs";
import { until } from "../../until.ts";
import { pairOf } from "./pair.ts";

const same = pairOf(["--auto-compaction-mode=periodic", "--auto-compaction-retention=1s"]);

interface Line {
  readonly msg?: string;
  readonly revision?: number;
}

/** The lines of the log about it; the last one may still be written. */
function lines(file: string): Line[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .filter((line) => line.includes("auto periodic compaction"))
    .map((line) => JSON.parse(line) as Line);
}

same("history goes once it is older than the retention", async ({ client, member }) => {
  const done = (): Line[] => lines(member.logFile).filter((l) => l.msg?.startsWith("completed"));
  // A cluster in which nothing happens is compacted too.
  await until("the first", () => done().length > 0);
  const first = done()[0]?.revision;
  for (let i = 0; i < 5; i++) await client.kv.put("a", `${i}`);
  const { header } = await client.kv.put("b", "1");
  const newest = header?.revision ?? 0;
  await until("the newest", () => done().some((l) => l.revision === newest));
  const old = await client.kv.get("a", { revision: newest - 1 }).catch((e: Error) => e.message);
  const now = await client.kv.get("a", { revision: newest });
  const shapes = lines(member.logFile).map((line) => {
    const names = Object.keys(line).filter((name) => name !== "caller");
    return names.sort().join(" ");
  });
  return [first, newest, old, now.kvs.length, [...new Set(shapes)].sort()];
});

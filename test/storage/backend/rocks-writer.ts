/** Writes batches of ten rows for ever, naming each on stdout once it was acknowledged. */
import path from "node:path";
import { openRocksEngine } from "../../../src/storage/backend/index.ts";

const engine = await openRocksEngine(path.join(process.argv[2] as string, "db"));
for (let batch = 1; ; batch++) {
  const ops = Array.from({ length: 10 }, (_, i) => ({
    kind: "put" as const,
    key: Buffer.from(String(batch * 10 + i).padStart(8, "0")),
    value: Buffer.alloc(300, batch),
  }));
  await engine.write(ops);
  process.stdout.write(`${batch}\n`);
}

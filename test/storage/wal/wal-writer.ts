/** Saves entries for ever, several saves at a time, naming each on stdout once it is durable. */
import type { Entry } from "../../../src/core/raft/types.ts";
import type { ClusterId, Index, MemberId, Term } from "../../../src/core/types.ts";
import { createDisk } from "../../../src/io/index.ts";
import { Wal } from "../../../src/storage/wal/index.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const wal = await Wal.create(
  {
    disk: createDisk(),
    faults: { hit: () => undefined },
    logger: quiet,
    // Every write is a quick one: those that nothing else waits for are made in the turn itself.
    nowMs: () => 0,
    segmentBytes: 200_000,
  },
  process.argv[2] as string,
  { nodeId: 1n as MemberId, clusterId: 2n as ClusterId },
);
let index = 0;

async function client(): Promise<never> {
  for (;;) {
    const entry: Entry = {
      type: 0,
      term: 1 as Term,
      index: ++index as Index,
      data: Buffer.alloc(100 + (index % 2000), String(index)),
    };
    await wal.save(undefined, [entry], index % 3 === 0);
    process.stdout.write(`${entry.index}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, client));

/**
 * Saves entries to a WAL and applies them to a Backend for ever, in the folder given. Says on
 * stdout `W n` once entry n is durable in the log and `F n` once the fence has reached it.
 */
import type { Entry } from "../../src/core/raft/types.ts";
import type { ClusterId, Index, MemberId, Revision, Term } from "../../src/core/types.ts";
import { createClock, createDisk } from "../../src/io/index.ts";
import { Backend, openRocksEngine } from "../../src/storage/backend/index.ts";
import { Wal } from "../../src/storage/wal/index.ts";

const dir = process.argv[2] as string;
const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const faults = { hit: () => undefined };
const disk = createDisk();
const clock = createClock();
const onFatal = (error: Error): never => {
  throw error;
};
await disk.mkdir(`${dir}/snap`);
const engine = await openRocksEngine(`${dir}/snap/db`, { memtableBytes: 1024 * 1024 });
const backend = await Backend.open({ engine, clock, faults, logger: quiet, onFatal, lingerMs: 1 });
const ids = { nodeId: 1n as MemberId, clusterId: 2n as ClusterId };
const options = { disk, faults, logger: quiet, nowMs: () => 0, segmentBytes: 1_000_000 };
const wal = await Wal.create(options, `${dir}/wal`, ids);

for (let i = 1; ; i++) {
  const data = Buffer.alloc(100 + ((i * 37) % 1500), String(i));
  const entry: Entry = { type: 0, term: 1 as Term, index: i as Index, data };
  await wal.save({ term: 1 as Term, vote: 1n as MemberId, commit: i as Index }, [entry]);
  process.stdout.write(`W ${i}\n`);
  backend.put(i + 1, 0, false, data);
  backend.setMeta({ appliedIndex: i as Index, revision: (i + 1) as Revision });
  backend.commit();
  if (i % 40 === 0) process.stdout.write(`F ${await backend.fence()}\n`);
}

// What the bundle's etcdctl starts with (CommonJS: loading Node's ES modules is the dearer way).

import { loadProgram } from "./program.ts";

const { runEtcdctl } = loadProgram(__dirname);
const snapshotWork = async () => (await import("../snapshot-work.ts")).snapshotFileWork();

void runEtcdctl(process.argv.slice(2), process.env, snapshotWork)
  // Writes to pipes are synchronous on Linux: see quoin.ts.
  .then((code) => process.exit(code));

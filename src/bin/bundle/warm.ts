// Runs the common commands of the bundle in the folder that is its argument, against a server that knows
// nothing, and keeps what V8 has compiled by then: functions that ran need no compiling in later calls.

import { writeFileSync } from "node:fs";
import type { Revision } from "../../core/types.ts";
import { createClock } from "../../io/index.ts";
import type { Logger } from "../../ports/index.ts";
import { mvccpb, rpcpb } from "../../proto/index.ts";
import { createRpcServer, type Method } from "../../rpc/index.ts";
import { cacheFile, loadProgram } from "./program.ts";

const silent: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silent,
};

/** Answers that have something in each field a printer looks at. */
const { newResponseHeader, encodeRangeResponse, newRangeResponse } = rpcpb;
const header = newResponseHeader({ revision: 1 as Revision });
const kvs = [mvccpb.newKeyValue({ key: Buffer.from("k"), value: Buffer.from("v") })];
const range = encodeRangeResponse(newRangeResponse({ header, kvs, count: 1 }));
const empty = Buffer.alloc(0);

const answer = (message: Uint8Array): Method => ({
  kind: "unary",
  handle: (_, call) => call.respond(message),
});
const methods = new Map<string, Method>([
  ["/etcdserverpb.KV/Range", answer(range)],
  ["/etcdserverpb.KV/Put", answer(empty)],
  ["/etcdserverpb.KV/DeleteRange", answer(empty)],
  ["/etcdserverpb.Lease/LeaseGrant", answer(empty)],
  ["/etcdserverpb.Cluster/MemberList", answer(empty)],
  ["/etcdserverpb.Maintenance/Status", answer(empty)],
  ["/etcdserverpb.Maintenance/Alarm", answer(empty)],
]);
const commands = [
  "version",
  "put k v",
  "del k",
  "lease grant 60",
  "member list",
  "endpoint status",
  "endpoint health",
  "get k -w json",
  "get k",
];

const noFiles = (): never => {
  throw new Error("none of these commands works on files");
};

const [folder = ""] = process.argv.slice(2);
const server = createRpcServer({ methods, clock: createClock(), logger: silent });
const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
const { script, runEtcdctl } = loadProgram(folder);
for (const command of commands) {
  const env = { ETCDCTL_ENDPOINTS: address };
  const code = await runEtcdctl(command.split(" "), env, noFiles);
  if (code !== 0) throw new Error(`etcdctl ${command}: exit code ${code}`);
}
writeFileSync(`${folder}/${cacheFile}`, script.createCachedData());
await server.close();

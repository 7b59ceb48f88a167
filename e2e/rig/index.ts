// What the end-to-end tests share.

export { until } from "../../test/until.ts";
export { type Access, secretField } from "./access.ts";
export { Backups } from "./backups.ts";
export {
  condition,
  createNamespace,
  deleteNamespace,
  manifest,
  TestCluster,
} from "./cluster.ts";
export { CommandFailed, execute, root } from "./commands.ts";
export { api, image, kubectl } from "./environment.ts";
export { assertSame, contents, fill, hashes } from "./keyspace.ts";
export { MemberDisk, powerOff, powerOn } from "./nodes.ts";
export { on, secondsSince, useNamespace } from "./on-cluster.ts";
export { killLeadingOperator, leaseHolder } from "./operator.ts";
export { freeze, killProcess, processOf } from "./processes.ts";
export { RestartRecord } from "./restart-record.ts";
export { Restores } from "./restores.ts";
export { TestS3 } from "./s3.ts";
export { Writers } from "./writers.ts";

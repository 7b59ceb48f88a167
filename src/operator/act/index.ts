export { type ActContext, type ActResult, act, withLatch } from "./act.ts";
export { buildSecret, otherSecret } from "./secrets.ts";

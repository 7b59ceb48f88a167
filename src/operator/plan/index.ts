export { plan } from "./plan.ts";
export { buildStatus, type StatusInput } from "./status.ts";
export type { Latched, LatchSet, Plan, PlanContext, Problem, SecretChange, Step } from "./types.ts";

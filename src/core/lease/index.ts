/** Leases: grants, renewals, expiry, and which keys hang on which lease. */

export { createLessor } from "./lessor.ts";
export type * from "./types.ts";
export { maxTtlSeconds } from "./types.ts";

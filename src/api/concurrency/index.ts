/** Locks and elections that run on the server. */
export { electionMethods } from "./election.ts";
export { lockMethods } from "./lock.ts";

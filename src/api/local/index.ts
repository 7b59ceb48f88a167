/** Calls of our own methods within the process: for the JSON gateway, Lock and Election. */
export { LocalClient, type LocalFailure, type Origin } from "./client.ts";
export { LocalStream, type StreamSink } from "./stream.ts";

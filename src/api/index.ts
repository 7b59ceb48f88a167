/** What clients reach: gRPC services and HTTP pages. */
export { Metrics, type MetricsFeed, Pprof, pages, withAccess } from "./admin/index.ts";
export { Gateway, isWebSocketUpgrade } from "./gateway/index.ts";
export { apiMethods } from "./methods.ts";
export { servedWhenReady } from "./readiness.ts";
export { type ApiContext, storageVersion } from "./v3/index.ts";

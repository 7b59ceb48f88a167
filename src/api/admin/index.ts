/** Health, version and metrics over HTTP/1.1. */
export { withAccess } from "./access.ts";
export { Metrics, type MetricsFeed } from "./metrics.ts";
export { pages } from "./pages.ts";
export { Pprof } from "./pprof.ts";

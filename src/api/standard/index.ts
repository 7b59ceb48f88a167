/** The services that every gRPC server is expected to have. */
export { healthMethods } from "./health.ts";
export { reflectionMethods } from "./reflection.ts";

export { type Observation, type ObserveContext, observe } from "./observe.ts";
export { requestOf } from "./requests.ts";
export {
  type Credentials,
  digestSecrets,
  type ObservedSecret,
  type ObservedTls,
  textOf,
} from "./secrets.ts";
export { type Resolution, resolveSource } from "./source.ts";
export type * from "./types.ts";

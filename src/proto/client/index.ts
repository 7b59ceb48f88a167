/** The wire formats that clients speak: a command line must not load those of logs and members. */
export { type EtcdErrorCode, etcdErrorByText } from "../errors.ts";
export type * as authpb from "../gen/authpb.ts";
export type * as mvccpb from "../gen/mvccpb.ts";
export * as rpcpb from "../gen/rpcpb.ts";

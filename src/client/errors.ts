import { type EtcdErrorCode, etcdErrorByText } from "../proto/client/index.ts";
import { CallFailure, DialFailure } from "../rpc/client/index.ts";

/** gRPC status codes by number, spelt as Go prints them (google.golang.org/grpc/codes). */
const codeNames = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
] as const;

/** Name of a gRPC status code. */
export type CodeName = (typeof codeNames)[number];

/**
 * A request that a server refused or that did not get through. `message` is the server's text to
 * the letter; `etcd` names the error when that text is one of etcd's.
 */
export class RpcError extends Error {
  override readonly name = "RpcError";
  /** gRPC status code (grpc/grpc doc/statuscodes.md). */
  readonly status: number;
  readonly code: CodeName;
  readonly etcd: EtcdErrorCode | undefined;
  /** The endpoint that answered or was tried last. */
  readonly endpoint: string;

  constructor(grpcStatus: number, text: string, endpoint: string, cause?: unknown) {
    super(text, { cause });
    this.status = grpcStatus;
    this.code = codeNames[grpcStatus] ?? "Unknown";
    this.etcd = etcdErrorByText(text);
    this.endpoint = endpoint;
  }
}

/** True when `error` is the server's error of that name (as in etcd's rpctypes, without Err). */
export const isEtcdError = (error: unknown, code: EtcdErrorCode): error is RpcError =>
  error instanceof RpcError && error.etcd === code;

/** The transport's error as ours; anything that is none passes through. */
export const toRpcError = (error: unknown, endpoint: string): unknown =>
  error instanceof CallFailure ? new RpcError(error.status, error.message, endpoint, error) : error;

/** The server has not begun with the call, so that even a write may be sent again. */
export const isUnprocessed = (error: unknown): boolean =>
  error instanceof RpcError && error.cause instanceof CallFailure && error.cause.isUnprocessed;

/** No connection stood: nothing was sent. Connection.ready throws such errors, and nobody else. */
export const isDialError = (error: unknown): boolean =>
  error instanceof RpcError && error.cause instanceof DialFailure;

/** The deadline passed before an answer came; the text is Go's, which etcd's tools print. */
export const deadlineExceeded = (endpoint: string, cause?: unknown): RpcError =>
  new RpcError(4, "context deadline exceeded", endpoint, cause);

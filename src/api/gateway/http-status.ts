import { Status, type StatusCode } from "../../rpc/index.ts";

const table: ReadonlyMap<StatusCode, number> = new Map([
  [Status.ok, 200],
  [Status.cancelled, 499],
  [Status.unknown, 500],
  [Status.invalidArgument, 400],
  [Status.deadlineExceeded, 504],
  [Status.notFound, 404],
  [Status.alreadyExists, 409],
  [Status.permissionDenied, 403],
  [Status.unauthenticated, 401],
  [Status.resourceExhausted, 429],
  [Status.failedPrecondition, 400],
  [Status.aborted, 409],
  [Status.outOfRange, 400],
  [Status.unimplemented, 501],
  [Status.internal, 500],
  [Status.unavailable, 503],
  [Status.dataLoss, 500],
]);

/** The HTTP status of a gRPC status. Source: grpc-gateway v2 runtime/errors.go HTTPStatusFromCode. */
export const httpStatusOf = (code: StatusCode): number => table.get(code) ?? 500;

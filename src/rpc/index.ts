/**
 * The server side of gRPC: HTTP/2 frames on net and TLS sockets, HTTP/1.x handed over. It knows
 * nothing about etcd: methods are functions from bytes to bytes.
 *
 *   const server = createRpcServer({ methods, clock, logger, onHttp1 });
 *   const listener = await server.listen({ host: "127.0.0.1", port: 2379 });
 */
export { LentMessage } from "./lent-message.ts";
export { defaultLimits } from "./limits.ts";
export { createRpcServer } from "./server.ts";
export { Status, type StatusCode, statusNames } from "./status.ts";
export type {
  Call,
  CancelReason,
  Limits,
  Listener,
  ListenOptions,
  MessageBytes,
  Metadata,
  Method,
  MethodStats,
  Peer,
  RpcServer,
  RpcServerOptions,
  ServerStats,
  StreamCall,
  StreamMethod,
  UnaryCall,
  UnaryMethod,
} from "./types.ts";

/** etcd's JSON gateway: the gRPC methods by POST with JSON, on the client port's HTTP/1.1. */

export { Gateway, type GatewayOptions } from "./gateway.ts";
export { isWebSocketUpgrade } from "./websocket.ts";

/**
 * The client side of gRPC: calls from bytes to bytes over HTTP/2 on sockets that its user connects.
 * Its own door, since a command line must not load the server.
 *
 *   const channel = new Channel({ connect, isSecure: false, authority: "localhost:2379", ... });
 *   await channel.ready();
 *   const { answer } = callUnary(channel, "/etcdserverpb.KV/Range", request, { metadata: {}, deadline });
 */
export { callUnary, MessageStream } from "./answers.ts";
export { type CallOptions, Channel, type Connect, DialFailure } from "./channel.ts";
export { CallFailure } from "./failure.ts";

/** grpc.health.v1.Health: the one service "" is serving. Source: etcd v3rpc/health.go, grpc-go health/server.go. */
import { healthpb } from "../../proto/index.ts";
import { type Method, Status, type StreamCall } from "../../rpc/index.ts";
import { type ApiContext, decodeOrFail, unary } from "../v3/context.ts";

export function healthMethods(ctx: ApiContext): [string, Method][] {
  return [
    ["/grpc.health.v1.Health/Check", checkMethod(ctx)],
    ["/grpc.health.v1.Health/List", listMethod(ctx)],
    ["/grpc.health.v1.Health/Watch", { kind: "stream", type: "server_stream", open: watch }],
  ];
}

const serving = { status: healthpb.ServingStatus.SERVING };
/** The whole server; there is no other name. */
const everything = "";

const checkMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    healthpb.decodeHealthCheckRequest,
    ({ service }, reply, _bytes, call) => {
      if (service === everything) reply(undefined, healthpb.encodeHealthCheckResponse(serving));
      else call.fail(Status.notFound, "unknown service");
    },
    { access: "own" },
  );

const listMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    healthpb.decodeHealthListRequest,
    (_request, reply) => {
      const statuses = [{ key: everything, value: serving }];
      reply(undefined, healthpb.encodeHealthListResponse({ statuses }));
    },
    { access: "own" },
  );

/** Tells the status once: it does not change while the server serves. */
function watch(call: StreamCall): void {
  call.onMessage = (bytes) => {
    call.onMessage = undefined;
    const request = decodeOrFail(call, healthpb.decodeHealthCheckRequest, bytes);
    if (request === undefined) return;
    const { SERVING, SERVICE_UNKNOWN } = healthpb.ServingStatus;
    const status = request.service === everything ? SERVING : SERVICE_UNKNOWN;
    call.send(healthpb.encodeHealthCheckResponse({ status }));
  };
}

/** What gRPC calls come to, by method: grpc-ecosystem's names, as etcd has them. */
import type { Registry } from "prom-client";
import { Distribution } from "../../lib/distribution.ts";
import { type RpcServer, type StatusCode, statusNames } from "../../rpc/index.ts";
import { addHistogram, addReadings, type Labels } from "./page-metrics.ts";

/** Prometheus' default buckets, which etcd leaves as they are. */
const handlingBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type OnHandled = (path: string, code: StatusCode, ms: number) => void;

export function addRpcMetrics(registry: Registry, rpc: () => RpcServer | undefined): void {
  const methods = () => rpc()?.stats().methods ?? [];
  const counter = (
    name: string,
    help: string,
    read: () => Iterable<readonly [Labels, number]>,
  ): void => addReadings(registry, "counter", name, help, read);
  counter("grpc_server_started_total", "Calls started.", () =>
    methods().map((m) => [labelsOf(m.path, m.type), m.started]),
  );
  counter("grpc_server_handled_total", "Calls ended, by status.", () =>
    methods().flatMap((m) => {
      const labels = labelsOf(m.path, m.type);
      return m.handled.map((n, code): [Labels, number] => {
        return [{ ...labels, grpc_code: statusNames[code] ?? String(code) }, n];
      });
    }),
  );
  counter("grpc_server_msg_received_total", "Messages of calls.", () =>
    methods().map((m) => [
      labelsOf(m.path, m.type),
      m.type === "unary" ? m.started : m.messagesReceived,
    ]),
  );
  counter("grpc_server_msg_sent_total", "Messages of answers.", () =>
    methods().map((m) => [
      labelsOf(m.path, m.type),
      m.type === "unary" ? (m.handled[0] ?? 0) : m.messagesSent,
    ]),
  );
  counter("etcd_server_client_requests_total", "Calls, by what their clients speak.", () =>
    (rpc()?.stats().versions ?? []).flatMap(({ version, unary, stream }) => {
      const of = (type: string, calls: number): [Labels, number][] =>
        calls === 0 ? [] : [[{ type, client_api_version: version }, calls]];
      return [...of("unary", unary), ...of("stream", stream)];
    }),
  );
  for (const direction of ["received", "sent"] as const) {
    const name = `etcd_network_client_grpc_${direction}_bytes_total`;
    counter(name, `Bytes of messages ${direction}.`, () => {
      const stats = rpc()?.stats();
      const bytes = direction === "sent" ? stats?.bytesSent : stats?.bytesReceived;
      return bytes === undefined ? [] : [[{}, bytes]];
    });
  }
}

/** --metrics=extensive: how long calls take, by method. Call what it returns at the end of each call. */
export function addHandlingTimes(registry: Registry, rpc: () => RpcServer | undefined): OnHandled {
  const byPath = new Map<string, Distribution>();
  // Only of methods there are: clients may call anything.
  const of = (path: string): Distribution | undefined => {
    if (byPath.size === 0) {
      for (const m of rpc()?.stats().methods ?? []) {
        byPath.set(m.path, new Distribution(handlingBounds));
      }
    }
    return byPath.get(path);
  };
  addHistogram(registry, "grpc_server_handling_seconds", "Seconds from a call to its end.", () =>
    (rpc()?.stats().methods ?? []).flatMap((m): [Labels, Distribution][] => {
      const d = of(m.path);
      return d === undefined ? [] : [[labelsOf(m.path, m.type), d]];
    }),
  );
  return (path, _code, ms) => of(path)?.observe(ms / 1000);
}

function labelsOf(path: string, type: string): Labels {
  const [, service = "", method = ""] = path.split("/");
  return { grpc_service: service, grpc_method: method, grpc_type: type };
}

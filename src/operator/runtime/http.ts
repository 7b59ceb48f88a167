/** The operator's two small HTTP servers: health and metrics. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";

/** Empty when well, else what is wrong. */
export type Check = () => readonly string[];

export interface HttpEndpoint extends AsyncDisposable {
  readonly port: number;
}

/** /healthz (alive: red makes the kubelet restart us) and /readyz. */
export function serveHealth(address: string, alive: Check, ready: Check): Promise<HttpEndpoint> {
  const server = createServer((request, response) => {
    const checks: Record<string, Check> = { "/healthz": alive, "/livez": alive, "/readyz": ready };
    const check = checks[request.url?.split("?")[0] ?? ""];
    const problems = check?.();
    response.statusCode = problems === undefined ? 404 : problems.length === 0 ? 200 : 503;
    response.setHeader("content-type", "text/plain; charset=utf-8");
    response.end(problems?.length === 0 ? "ok\n" : `${(problems ?? ["not found"]).join("\n")}\n`);
  });
  return listen(server, address);
}

/** /metrics in Prometheus' text format. */
export function serveMetrics(address: string, registry: Registry): Promise<HttpEndpoint> {
  const server = createServer((request, response) => {
    if (request.url?.split("?")[0] !== "/metrics") {
      response.statusCode = 404;
      response.end();
      return;
    }
    registry.metrics().then(
      (text) => {
        response.setHeader("content-type", registry.contentType);
        response.end(text);
      },
      (error) => {
        response.statusCode = 500;
        response.end(`${error}\n`);
      },
    );
  });
  return listen(server, address);
}

/** `address` is `:port`, `host:port` or `[v6]:port`; rejects when it is taken. */
function listen(server: Server, address: string): Promise<HttpEndpoint> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, Math.max(colon, 0)).replace(/^\[|\]$/g, "");
  const port = Number(address.slice(colon + 1));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(host === "" ? {} : { host }) }, () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        async [Symbol.asyncDispose]() {
          server.closeAllConnections();
          await new Promise((done) => server.close(done));
        },
      });
    });
  });
}

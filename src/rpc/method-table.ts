/** The methods of a server with their counters. */
import type { Method, MethodStats } from "./types.ts";

/** One method; the counters are written by the calls. */
export interface MethodEntry extends MethodStats {
  readonly method: Method;
  started: number;
  readonly handled: number[];
  messagesReceived: number;
  messagesSent: number;
}

const statusCount = 17;

export function buildMethodTable(methods: ReadonlyMap<string, Method>): Map<string, MethodEntry> {
  const table = new Map<string, MethodEntry>();
  for (const [path, method] of methods) table.set(path, entry(path, method));
  return table;
}

/** For calls to paths nobody serves: counted together and not reported, as in grpc-go. */
export function unknownMethodEntry(): MethodEntry {
  return entry("", { kind: "unary", handle: () => {} });
}

function entry(path: string, method: Method): MethodEntry {
  return {
    path,
    method,
    type: method.kind === "unary" ? "unary" : (method.type ?? "bidi_stream"),
    started: 0,
    handled: new Array<number>(statusCount).fill(0),
    messagesReceived: 0,
    messagesSent: 0,
  };
}

/** What grpc-go answers for a path it does not serve (its server.go, handleStream). */
export function unknownMethodMessage(path: string, table: ReadonlyMap<string, unknown>): string {
  const slash = path.lastIndexOf("/");
  if (!path.startsWith("/") || slash < 1) return `malformed method name: ${JSON.stringify(path)}`;
  const service = path.slice(1, slash);
  for (const known of table.keys()) {
    if (known.startsWith(`/${service}/`)) {
      return `unknown method ${path.slice(slash + 1)} for service ${service}`;
    }
  }
  return `unknown service ${service}`;
}

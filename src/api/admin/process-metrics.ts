/** What Linux tells of this process, by the names of Prometheus' Go client and of etcd. */
import { readdirSync, readFileSync } from "node:fs";
import type { Registry } from "prom-client";
import { addReadings, type Labels } from "./page-metrics.ts";

export function addProcessMetrics(registry: Registry): void {
  const gauge = (name: string, help: string, read: () => number | undefined): void =>
    addReadings(registry, "gauge", name, help, () => one(read()));
  gauge("os_fd_used", "File descriptors that are open.", () => entries("/proc/self/fd"));
  gauge("os_fd_limit", "File descriptors that may be open.", () => limit("Max open files"));
  gauge("process_virtual_memory_max_bytes", "Limit of the address space in bytes.", () =>
    limit("Max address space"),
  );
  // Of the network namespace, as in the Go client: not of this process alone.
  const network = { receive: "InOctets", transmit: "OutOctets" };
  for (const [way, field] of Object.entries(network)) {
    const name = `process_network_${way}_bytes_total`;
    addReadings(registry, "counter", name, "Bytes of this network namespace.", () =>
      one(ipOctets(field)),
    );
  }
}

const none: Labels = {};

const one = (value: number | undefined): [Labels, number][] =>
  value === undefined ? [] : [[none, value]];

function entries(dir: string): number | undefined {
  try {
    return readdirSync(dir).length;
  } catch {
    return undefined;
  }
}

const text = (path: string): string => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
};

/** The soft limit; without one it is 2^64-1, as the Go client tells it. */
function limit(name: string): number | undefined {
  const line = text("/proc/self/limits")
    .split("\n")
    .find((l) => l.startsWith(name));
  const soft = line?.slice(name.length).trim().split(/\s+/)[0];
  if (soft === undefined) return undefined;
  return soft === "unlimited" ? 2 ** 64 : Number(soft);
}

/** Of the pair of IpExt lines: names, then values. */
function ipOctets(field: string): number | undefined {
  const lines = text("/proc/self/net/netstat")
    .split("\n")
    .filter((l) => l.startsWith("IpExt:"));
  const at = lines[0]?.split(" ").indexOf(field) ?? -1;
  const value = at < 0 ? undefined : lines[1]?.split(" ")[at];
  return value === undefined ? undefined : Number(value);
}

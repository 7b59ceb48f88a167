// TCP ports for servers that are told theirs.

import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below the ports that Linux gives to outgoing connections (ip_local_port_range): out of those one that is
 * free now, or free while its server is down for a restart, may be another process's the next moment.
 */
const span = 2_000;
/** Of its own for each of the test files that run at the same time. */
const lowest = 12_000 + span * (Number(process.env["NODE_TEST_WORKER_ID"] ?? 0) % 9);
const given = new Set<number>();

/** `count` ports of loopback that nobody listens on, never the same twice in this process. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = lowest + Math.floor(Math.random() * span);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port);
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}

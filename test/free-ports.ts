// TCP ports for servers that are told theirs.

import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Below the ports that Linux gives to outgoing connections (ip_local_port_range): out of those one that is
 * free now, or free while its server is down for a restart, may be another process's the next moment.
 */
const [lowest, blocks, blockSize] = [12_000, 90, 200];

/**
 * Test files run at the same time, and a port is free to all of them until its server listens, and while that
 * is down: so a block of ports is of the process that listens on the first of them, as long as it lives.
 * (NODE_TEST_WORKER_ID does not tell files apart: it is 1 for each that node:test's run() starts.)
 */
async function* ownPorts(): AsyncGenerator<number, never> {
  for (;;) {
    const first = lowest + blockSize * Math.floor(Math.random() * blocks);
    const guard = await listen(first);
    if (guard === undefined) continue;
    guard.unref();
    for (let port = first + 1; port < first + blockSize; port++) {
      const server = await listen(port);
      if (server === undefined) continue;
      server.close();
      await once(server, "close");
      yield port;
    }
  }
}

const ports = ownPorts();

/** `count` ports that nobody listens on, never the same twice in this process or in two at the same time. */
export async function freePorts(count: number): Promise<number[]> {
  const given: number[] = [];
  while (given.length < count) given.push((await ports.next()).value);
  return given;
}

/** Undefined when the port is taken. */
async function listen(port: number): Promise<Server | undefined> {
  const server = createServer().listen(port);
  try {
    await once(server, "listening");
    return server;
  } catch {
    return undefined;
  }
}

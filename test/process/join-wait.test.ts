// SIGTERM while a new member asks for its cluster (--quoin-join-wait): it ends at once, with the code of a member
// that was told to end, between two questions as in the middle of one. Nothing is left in its folder.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts } from "../free-ports.ts";
import { until } from "../until.ts";
import { Member, quoin } from "./member.ts";

/** A peer that takes connections and says nothing. */
async function silentPeer() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    asked: () => sockets.size > 0,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test("SIGTERM ends --quoin-join-wait at once, with 0", async () => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-process-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const silent = stack.use(await silentPeer());
  const [clientPort = 0, peerPort = 0, nobody = 0] = await freePorts(3);
  const cases = [
    { name: "between", port: nobody, when: "waiting until the cluster knows this member" },
    { name: "amid", port: silent.port, when: undefined },
  ];
  for (const { name, port, when } of cases) {
    const initialCluster = `${name}=http://127.0.0.1:${peerPort},other=http://127.0.0.1:${port}`;
    const flags = ["--initial-cluster-state=existing", "--quoin-join-wait=1h"];
    const ends = { clientPort, peerPort, initialCluster, flags };
    const member = stack.use(new Member({ program: quoin, name, folder, ...ends }));
    member.start();
    await until(
      `${name}: the question`,
      () => (when === undefined ? silent.asked() : member.logTail().includes(when)),
      120,
    );
    member.signal("SIGTERM");
    await until(`${name}: the end; its log: ${member.logFile}`, () => !member.running, 120);
    assert.equal(await member.ended(), 0, member.logTail());
    assert.match(member.logTail(), /received signal; shutting down/);
    assert.equal(existsSync(join(member.dataDir, "member")), false);
  }
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client, type TlsOptions } from "../../src/client/index.ts";
import { parseEndpoint } from "../../src/client/tls.ts";
import { authority, leaf, writePair } from "../tls/certificates.ts";
import { Rig } from "../tls/rig.ts";

const folder = mkdtempSync(join(tmpdir(), "quoin-client-tls-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const ca = authority("ca");
const bytes = (text: string) => Buffer.from(text);

test("parseEndpoint() finds target, security and name as clientv3 does", () => {
  // etcd client/v3 internal/endpoint, Test_interpret; names without what stands behind the last colon.
  const cases: [string, string, boolean | "optional", string][] = [
    ["127.0.0.1", "127.0.0.1", "optional", "127.0.0.1"],
    ["localhost:8080", "localhost:8080", "optional", "localhost"],
    ["unix:127.0.0.1:8080", "unix:127.0.0.1:8080", "optional", "127.0.0.1"],
    ["unix://127.0.0.1", "unix:127.0.0.1", "optional", "127.0.0.1"],
    ["unixs:localhost:8080", "unix:localhost:8080", true, "localhost"],
    ["unixs://localhost", "unix:localhost", true, "localhost"],
    ["http://127.0.0.1:8080", "127.0.0.1:8080", false, "127.0.0.1"],
    ["https://127.0.0.1", "127.0.0.1", true, "127.0.0.1"],
    ["https://localhost:20000", "localhost:20000", true, "localhost"],
    ["unix:///tmp/abc", "unix:/tmp/abc", "optional", "abc"],
    ["unixs:///tmp/abc:1234", "unix:/tmp/abc:1234", true, "abc"],
    ["http://etcd.io/abc", "etcd.io", false, "etcd.io"],
    ["http://[2001:db8::6e8]:100/", "[2001:db8::6e8]:100", false, "2001:db8::6e8"],
    ["[2001:db8::6e8]:100", "[2001:db8::6e8]:100", "optional", "2001:db8::6e8"],
    ["2001:db8::6e8", "2001:db8::6e8", "optional", "2001:db8::6e8"],
  ];
  for (const [endpoint, target, secure, serverName] of cases) {
    assert.deepEqual(parseEndpoint(endpoint), { target, secure, serverName }, endpoint);
  }
});

/** Why a connection does not come about; "served" when it does. */
async function why(rig: Rig, tls: TlsOptions | undefined, host = "127.0.0.1"): Promise<string> {
  const endpoint = `https://${host}:${rig.port}`;
  using client = new Client({ endpoints: [endpoint], ...(tls === undefined ? {} : { tls }) });
  try {
    await client.connect();
    return "served";
  } catch (error) {
    return (error as Error).message.replace(/^.*? failed: /, "");
  }
}

test("a client says why it does not believe a server", async () => {
  // Plain preface and settings are enough for grpc to call a connection ready.
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const onSocket = (socket: Socket) => {
    socket.on("error", () => undefined);
    socket.write(settings);
  };
  const pair = writePair(folder, "server", leaf(ca, { commonName: "10.0.0.1" }));
  await using rig = await Rig.start(pair, { onSocket });
  assert.equal(await why(rig, { ca: bytes(ca.cert) }), "served");
  assert.equal(await why(rig, { ca: bytes(ca.cert) }, "localhost"), "served");
  assert.match(
    await why(rig, { ca: bytes(ca.cert), serverName: "10.0.0.1" }),
    /^the server's certificate is for .*127\.0\.0\.1.*, not for 10\.0\.0\.1$/,
  );
  assert.match(
    await why(rig, { ca: bytes(authority("x").cert) }),
    /unable to (verify|get local issuer)/,
  );
  assert.match(await why(rig, undefined), /unable to (verify|get local issuer)/);
  assert.equal(await why(rig, { insecureSkipVerify: true }), "served");
});

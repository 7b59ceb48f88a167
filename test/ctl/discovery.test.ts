import assert from "node:assert/strict";
import { test } from "node:test";
import { discoverEndpoints, type LookUp } from "../../src/ctl/discovery.ts";
import { Flags } from "../../src/ctl/flags.ts";
import { globalFlags } from "../../src/ctl/global-flags.ts";

const records: Record<string, { name: string; port: number }[]> = {
  "_etcd-client-ssl._tcp.a": [{ name: "x.a", port: 1 }],
  "_etcd-client._tcp.a": [{ name: "y.a", port: 2 }],
  "_etcd-client-blue._tcp.a": [{ name: "z.a", port: 3 }],
};
const lookUp: LookUp = async (name) => {
  const found = records[name];
  if (found === undefined) throw Object.assign(new Error("no"), { code: "ENOTFOUND" });
  return found;
};

async function discover(given: Record<string, string>): Promise<[string[], string]> {
  const flags = new Flags(globalFlags);
  for (const [name, value] of Object.entries(given)) flags.set(name, value);
  let said = "";
  const out = {
    text: () => undefined,
    bytes: () => undefined,
    error: (text: string) => {
      said += text;
    },
    errorIsTerminal: false,
  };
  const rest = { args: [], dashAt: undefined, inherited: [], env: {}, out };
  await discoverEndpoints({ flags, ...rest }, lookUp);
  return [flags.strings("endpoints"), said];
}

test("discoverEndpoints() takes what DNS names instead of --endpoints", async () => {
  const all = await discover({ "discovery-srv": "a", endpoints: "other:1" });
  assert.deepEqual(all, [["https://x.a:1", "http://y.a:2"], ""]);
  const named = await discover({ "discovery-srv": "a", "discovery-srv-name": "blue" });
  assert.deepEqual(named, [["http://z.a:3"], ""]);
  assert.deepEqual(await discover({}), [["127.0.0.1:2379"], ""]);
});

test("discoverEndpoints() leaves http out where it is not wanted", async () => {
  const [endpoints, said] = await discover({ "discovery-srv": "a", "insecure-discovery": "false" });
  assert.deepEqual(endpoints, ["https://x.a:1"]);
  assert.equal(said, 'ignoring discovered insecure endpoint "http://y.a:2"\n');
});

test("discoverEndpoints() says why there are none", async () => {
  await assert.rejects(discover({ "discovery-srv": "b" }), {
    message:
      "dns lookup errors: lookup _etcd-client-ssl._tcp.b: no such host and lookup _etcd-client._tcp.b: no such host",
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseUrls } from "../../src/core/membership/index.ts";
import { findBySrv, type Resolver } from "../../src/discovery/index.ts";
import { silent } from "../server/rig.ts";

type Records = Readonly<Record<string, readonly (readonly [name: string, port: number])[]>>;

const noName = (): Error => Object.assign(new Error("queryA ENOTFOUND"), { code: "ENOTFOUND" });

/** A resolver of these records, and of hosts whose address stands in `hosts`. */
function resolverOf(records: Records, hosts: Readonly<Record<string, string>>): Resolver {
  return {
    srv: async (name) => {
      const found = records[name];
      if (found === undefined) throw noName();
      return found.map(([host, port]) => ({ name: host, port }));
    },
    address: async (host) => {
      const address = /^[\d.]+$|:/.test(host) ? host : hosts[host];
      if (address === undefined) throw noName();
      return address;
    },
  };
}

/** What a member called m finds: `name=url,...`, with a star where any is https. */
async function find(
  records: Records,
  own: string[],
  serviceName = "",
  hosts: Readonly<Record<string, string>> = { a: "10.0.0.1", b: "10.0.0.2" },
): Promise<string> {
  const urls = parseUrls(own);
  if (!urls.ok) throw new Error(urls.error);
  const resolver = resolverOf(records, hosts);
  const asked = { resolver, logger: silent, domain: "x", serviceName, name: "m" };
  const { cluster, isSecure } = await findBySrv({ ...asked, peerUrls: urls.value });
  const members = [...cluster].map(([n, us]) => `${n}=${us.map((u) => u.text).join("+")}`);
  return members.join(",") + (isSecure ? "*" : "");
}

const plain = "_etcd-server._tcp.x";
const secure = "_etcd-server-ssl._tcp.x";

test("findBySrv() finds itself by address and numbers the others", async () => {
  const records = { [plain]: [["b.", 1] as const, ["a.", 1] as const, ["a", 2] as const] };
  const hosts = { a: "10.0.0.1", b: "10.0.0.2" };
  const found = await find(records, ["http://10.0.0.1:1"], "", hosts);
  assert.equal(found, "0=http://b:1,m=http://a:1,1=http://a:2");
});

test("findBySrv() takes both services, named ones too, and says whether one is secure", async () => {
  const records = {
    "_etcd-server-ssl-blue._tcp.x": [["a", 1] as const],
    "_etcd-server-blue._tcp.x": [["b", 2] as const],
  };
  assert.equal(await find(records, ["https://a:1"], "blue"), "m=https://a:1,0=http://b:2*");
});

test("findBySrv() leaves out hosts without an address as long as there are others", async () => {
  const records = { [plain]: [["gone", 1] as const, ["a", 1] as const] };
  assert.equal(await find(records, ["http://a:1"]), "m=http://a:1");
});

test("findBySrv() keeps the brackets of IPv6 targets", async () => {
  const records = { [plain]: [["fd00::1", 1] as const] };
  assert.equal(await find(records, ["http://[fd00::1]:1"]), "m=http://[fd00::1]:1");
});

test("findBySrv() throws in etcd's words when it is not among them", async () => {
  const missing =
    /^Error: error querying DNS SRV records for _etcd-server-ssl lookup .*\nerror querying/;
  await assert.rejects(find({}, ["http://a:1"]), missing);
  const others = find({ [plain]: [["b", 1]] }, ["http://a:1"]);
  await assert.rejects(others, /^Error: cannot find local etcd member "m" in SRV records$/);
  const mismatch = find({ [secure]: [["a", 1]] }, ["http://a:1"]);
  await assert.rejects(
    mismatch,
    /bootstrap at https:\/\/a:1 from DNS for etcd-server-ssl has scheme/,
  );
  await assert.rejects(find({}, ["http://nowhere:1"]), /^Error: lookup nowhere: no such host$/);
});

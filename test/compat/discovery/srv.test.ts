// --discovery-srv: a cluster of both kinds that DNS alone describes. Every process gets a resolv.conf of its own
// (a mount of its own namespace), since neither program can be told a name server.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePorts } from "../../free-ports.ts";
import { etcd, Member, type Program, quoin } from "../../process/member.ts";
import { NameServer } from "./name-server.ts";

const real = etcd();
const folder = mkdtempSync(join(tmpdir(), "quoin-srv-"));
const domain = "quoin.test";
const target = `host.${domain}`;
/** Port 53 cannot be chosen in resolv.conf; of loopback's addresses one is free for it. */
const address = `127.53.${process.pid % 250}.${1 + (Math.trunc(process.pid / 250) % 250)}`;
const resolvConf = join(folder, "resolv.conf");

const skip =
  real === undefined
    ? "real etcd needs Go to build"
    : canMount()
      ? false
      : "needs to be root, for a resolv.conf of its own";

let dns: NameServer;

before(async () => {
  if (skip !== false) return;
  writeFileSync(resolvConf, `nameserver ${address}\noptions attempts:2 timeout:5\n`);
  dns = await NameServer.listen(address, 53, target);
});

after(async () => {
  await dns?.close();
  rmSync(folder, { recursive: true, force: true });
});

function canMount(): boolean {
  try {
    execFileSync("unshare", ["--mount", "mount", "--bind", "/etc/hosts", "/etc/resolv.conf"]);
    return true;
  } catch {
    return false;
  }
}

const inItsNames = ({ name, command }: Program): Program => {
  const script = `mount --bind ${resolvConf} /etc/resolv.conf && exec "$@"`;
  return { name, command: ["unshare", "--mount", "sh", "-c", script, "sh", ...command] };
};

function createMembers(
  programs: readonly Program[],
  ports: readonly number[],
  flags: readonly string[],
): Member[] {
  return programs.map((program, i) => {
    const [clientPort = 0, peerPort = 0] = ports.slice(2 * i);
    const ends = { clientPort, peerPort, initialCluster: "" };
    return new Member({ program: inItsNames(program), name: `m${i}`, folder, ...ends, flags });
  });
}

test("members of both kinds find each other by SRV records", {
  skip,
}, async () => {
  const programs = [real as Program, quoin, quoin];
  const ports = await freePorts(6);
  // By another name than they advertise: what counts is the address.
  const targets = [1, 3, 5].map((i) => ({ target, port: ports[i] as number }));
  dns.answers.set(`_etcd-server-blue._tcp.${domain}`, targets);
  const flags = [`--discovery-srv=${domain}`, "--discovery-srv-name=blue"];
  const members = createMembers(programs, ports, flags);
  try {
    for (const m of members) m.start();
    await Promise.all(members.map((m) => m.ready(120_000)));
    using client = (members[1] as Member).client();
    const known = (await client.cluster.memberList()).members;
    assert.deepEqual(
      known.map((m) => `${m.name}=${m.peerURLs}`).sort(),
      targets.map((t, i) => `m${i}=http://${target}:${t.port}`),
    );
    // With data DNS is not asked any more.
    dns.answers.clear();
    const [, ours] = members as [Member, Member];
    await ours.stop();
    ours.start();
    await ours.ready(120_000);
  } catch (error) {
    for (const m of members) console.error(m.logTail(15));
    throw error;
  } finally {
    await Promise.all(members.map((m) => m[Symbol.asyncDispose]()));
  }
});

test("records that do not help end the start as etcd's", { skip }, async () => {
  const ports = await freePorts(2);
  const [, peer = 0] = ports;
  const cases = [
    ["no records", []],
    ["others only", [{ target, port: 1 }]],
    ["ours, by https", [{ target, port: peer }], "-ssl"],
    ["a host that does not exist", [{ target: `no.${target}`, port: peer }]],
  ] as const;
  for (const [i, [what, records, suffix = ""]] of cases.entries()) {
    dns.answers.clear();
    if (records.length > 0) dns.answers.set(`_etcd-server${suffix}._tcp.${domain}`, records);
    const outcomes: string[] = [];
    for (const program of [real as Program, quoin]) {
      const flags = [
        `--discovery-srv=${domain}`,
        `--data-dir=${join(folder, `${i}${program.name}`)}`,
      ];
      const [member] = createMembers([program], ports, flags) as [Member];
      member.start();
      await member.ended();
      outcomes.push(reasonOf(member));
      rmSync(member.logFile);
    }
    assert.equal(outcomes[1], outcomes[0], what);
  }
});

/** The last error, without the name server's address, which Go tells. */
function reasonOf(member: Member): string {
  const lines = member
    .logTail(200)
    .split("\n")
    .filter((l) => l.startsWith("{"))
    .map((l) => JSON.parse(l) as Record<string, unknown>);
  const last = lines.findLast((l) => l["error"] !== undefined && l["level"] !== "info");
  return String(last?.["error"] ?? member.logTail(200)).replaceAll(/ on [\d.]+:53:/g, ":");
}

// v3 discovery: members that are told no more than a registry, held by a real etcd, find each other there; what
// a registry refuses ends both programs with the same words.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Client } from "../../../src/client/index.ts";
import { freePorts } from "../../free-ports.ts";
import { etcd, Member, type Program, quoin } from "../../process/member.ts";
import { authority, leaf, writePair, writeText } from "../../tls/certificates.ts";

const real = etcd();
const skip = real === undefined ? "real etcd needs Go to build" : false;
const folder = mkdtempSync(join(tmpdir(), "quoin-registry-"));
const ca = authority("ca");
const caFile = writeText(folder, "ca.crt", ca.cert);
const person = writePair(folder, "person", leaf(ca, { usages: ["client"] }));

/** Killed with the file, whatever ends a test. */
const children = new Set<ChildProcess>();
let registry: Member;
let client: Client;

before(async () => {
  if (real === undefined) return;
  const { certFile, keyFile } = writePair(folder, "server", leaf(ca));
  const files = [`--cert-file=${certFile}`, `--key-file=${keyFile}`, `--trusted-ca-file=${caFile}`];
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const shown = leaf(ca, { usages: ["client"] });
  const tls = {
    ca: Buffer.from(ca.cert),
    cert: Buffer.from(shown.cert),
    key: Buffer.from(shown.key),
  };
  // Only its clients' side speaks TLS: the flag comes behind the one that says https.
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const plain = [
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=registry=${peerUrl}`,
  ];
  const ends = { clientPort, peerPort, initialCluster: "", tls };
  const flags = [...files, ...plain];
  registry = new Member({ program: real, name: "registry", folder, ...ends, flags });
  registry.start();
  await registry.ready(120_000);
  client = registry.client();
});

after(async () => {
  for (const child of children) child.kill("SIGKILL");
  client?.close();
  await registry?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const root = (token: string): string => `/_etcd/registry/${token}`;

const discovered = (token: string): string[] => [
  `--discovery-endpoints=${registry.endpoint}`,
  `--discovery-token=${token}`,
  `--discovery-cacert=${caFile}`,
  `--discovery-cert=${person.certFile}`,
  `--discovery-key=${person.keyFile}`,
];

/** Members of one cluster that know nothing but the registry. */
async function bootTogether(token: string, programs: readonly Program[]): Promise<void> {
  await client.kv.put(`${root(token)}/_config/size`, String(programs.length));
  const ports = await freePorts(2 * programs.length);
  const members = programs.map((program, i) => {
    const [clientPort = 0, peerPort = 0] = ports.slice(2 * i);
    const ends = { clientPort, peerPort, initialCluster: "" };
    const flags = discovered(token);
    return new Member({ program, name: `${token}${i}`, folder, ...ends, flags });
  });
  try {
    for (const m of members) m.start();
    await Promise.all(members.map((m) => m.ready(120_000)));
    using own = (members[0] as Member).client();
    const { members: known } = await own.cluster.memberList();
    assert.deepEqual(
      known.map((m) => [m.name, m.peerURLs]).sort(),
      members.map((m) => [m.name, [m.peerUrl]]),
    );
    const kvs = (await client.kv.get(`${root(token)}/members/`, { prefix: true })).kvs;
    assert.deepEqual(
      kvs.map((kv) => Buffer.from(kv.key).toString()).sort(),
      known.map((m) => `${root(token)}/members/${m.id.toString(16)}`).sort(),
    );
    await restartOurs(members.at(-1) as Member, token);
  } catch (error) {
    for (const m of members) console.error(m.logTail(15));
    throw error;
  } finally {
    await Promise.all(members.map((m) => m[Symbol.asyncDispose]()));
  }
}

/** Without its data a member that has served is not let in again; with it the registry is not asked. */
async function restartOurs(ours: Member, token: string): Promise<void> {
  await ours.stop();
  renameSync(ours.dataDir, `${ours.dataDir}.away`);
  ours.start();
  await ours.ended();
  assert.match(ours.logTail(), /has already been bootstrapped, but .* is empty/);
  rmSync(ours.dataDir, { recursive: true, force: true });
  renameSync(`${ours.dataDir}.away`, ours.dataDir);
  await client.kv.delete(root(token), { prefix: true });
  ours.start();
  await ours.ready(120_000);
  assert.match(ours.logTail(2000), /discovery token is ignored since cluster already init/);
}

test("three of our members meet in a registry", { skip }, async () => {
  await bootTogether("ours", [quoin, quoin, quoin]);
});

test("members of both kinds meet in a registry", { skip }, async () => {
  await bootTogether("mixed", [real as Program, real as Program, quoin]);
});

/** What the registry holds beside nothing, by key below the token's root. */
const refused: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ["no size", {}],
  ["a size that is no number", { "_config/size": "three" }],
  ["no members at all", { "_config/size": "0" }],
  ["a full cluster", { "_config/size": "1", "members/ab": "other=http://127.0.0.1:1" }],
  ["a bad URL", { "_config/size": "2", "members/ab": "other=nowhere" }],
  ["our URL taken", { "_config/size": "2", "members/ab": "other=http://127.0.0.1:PEER" }],
];

test("what a registry refuses ends the start in etcd's words", {
  skip,
}, async () => {
  for (const [i, [what, rows]] of refused.entries()) {
    const ends = await freeUrls();
    await sameEnd(what, async (program) => {
      const token = `refused-${program.name}-${i}`;
      for (const [key, value] of Object.entries(rows)) {
        await client.kv.put(`${root(token)}/${key}`, value.replace("PEER", ends.peerPort));
      }
      return await endOf(program, token, ends);
    });
  }
  for (const flag of ["--discovery-key=", "--discovery-cacert=/no/where"]) {
    const ends = await freeUrls();
    await sameEnd(flag, (program) => endOf(program, "files", ends, [flag]));
  }
});

test("a member whose name another one has is refused", { skip }, async () => {
  await client.kv.put(`${root("named")}/_config/size`, "2");
  await client.kv.put(`${root("named")}/members/ab`, "a=http://127.0.0.1:1");
  const end = await endOf(quoin, "named", await freeUrls());
  assert.match(end, /^1 member \w+ .* is not in the discovered cluster .* own --name/);
});

test("SIGTERM ends waiting for the others", { skip }, async () => {
  await client.kv.put(`${root("alone")}/_config/size`, "2");
  const child = spawnMember(quoin, "alone", await freeUrls());
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    // Once: a second one ends it at once.
    if (child.killed || !said.includes("waiting for peers from discovery service")) return;
    child.kill("SIGTERM");
  });
  assert.equal(await new Promise((resolve) => child.once("close", resolve)), 0, said);
});

test("users of the registry log in there", { skip }, async () => {
  await client.auth.userAdd("root", "secret");
  await client.auth.userGrantRole("root", "root");
  await client.auth.enable();
  for (const password of ["wrong", "secret"]) {
    const ends = await freeUrls();
    const flags = ["--discovery-user=root", `--discovery-password=${password}`];
    await sameEnd(password, (program) => endOf(program, `users-${program.name}`, ends, flags));
  }
});

interface Ends {
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly peerPort: string;
}

async function freeUrls(): Promise<Ends> {
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const [clientUrl, peerUrl] = [clientPort, peerPort].map((p) => `http://127.0.0.1:${p}`);
  return { clientUrl: clientUrl as string, peerUrl: peerUrl as string, peerPort: `${peerPort}` };
}

async function sameEnd(what: string, end: (program: Program) => Promise<string>): Promise<void> {
  const theirs = await end(real as Program);
  assert.equal(await end(quoin), theirs, what);
}

function spawnMember(
  program: Program,
  token: string,
  { clientUrl, peerUrl }: Ends,
  flags: readonly string[] = [],
): ChildProcess {
  const [file, ...first] = program.command;
  const argv = [
    ...first,
    "--name=a",
    `--data-dir=${join(folder, `${token}-${program.name}`)}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    ...discovered(token),
    ...flags,
  ];
  const child = spawn(file, argv, { env: { PATH: process.env["PATH"] ?? "" } });
  children.add(child);
  child.once("close", () => children.delete(child));
  return child;
}

/** Exit code and the reason in the last words of a member that cannot start. */
async function endOf(...asked: Parameters<typeof spawnMember>): Promise<string> {
  const child = spawnMember(...asked);
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  const lines = said
    .split("\n")
    .filter((l) => l.startsWith("{"))
    .map((l) => JSON.parse(l) as Record<string, unknown>);
  const last = lines.findLast((l) => l["error"] !== undefined && l["level"] !== "info");
  return `${code} ${last?.["error"] ?? said}`;
}

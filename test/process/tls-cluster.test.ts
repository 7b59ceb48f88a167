// Clusters over TLS with client certificates everywhere: with a real etcd among the members, and
// through a change of every certificate and of the authority behind them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Client } from "../../src/client/index.ts";
import type { Authority, Issued } from "../../src/pki/index.ts";
import { freePorts } from "../free-ports.ts";
import {
  authority,
  leaf,
  revocationList,
  serialOf,
  writePair,
  writeText,
} from "../tls/certificates.ts";
import { until } from "../until.ts";
import { etcd, Member, type Program, quoin, toolFolder } from "./member.ts";

const real = etcd();
const skip = real === undefined ? "real etcd needs Go to build" : false;
const folder = mkdtempSync(join(tmpdir(), "quoin-tls-cluster-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const first = authority("first");
const second = authority("second");
const caFile = writeText(folder, "ca.crt", first.cert);
const crlFile = writeText(folder, "list.crl", revocationList(first, []));

const shown = (ca: string, { cert, key }: Issued) => ({
  ca: Buffer.from(ca),
  cert: Buffer.from(cert),
  key: Buffer.from(key),
});
const person = leaf(first, { commonName: "person", hosts: [], usages: ["client"] });

async function createMembers(programs: readonly Program[]): Promise<Member[]> {
  const dir = mkdtempSync(join(folder, "members-"));
  const ports = await freePorts(2 * programs.length);
  const peerPort = (i: number): number => ports[programs.length + i] as number;
  const names = programs.map((program, i) => `${program.name}${i}`);
  const initialCluster = names.map((n, i) => `${n}=https://127.0.0.1:${peerPort(i)}`).join(",");
  return programs.map((program, i) => {
    const name = names[i] as string;
    const { certFile, keyFile } = writePair(folder, name, leaf(first, { commonName: "member" }));
    const flags = ["", "peer-"].flatMap((side) => [
      `--${side}cert-file=${certFile}`,
      `--${side}key-file=${keyFile}`,
      `--${side}trusted-ca-file=${caFile}`,
      `--${side}client-cert-auth`,
      `--${side || "client-"}crl-file=${crlFile}`,
    ]);
    const ends = { clientPort: ports[i] as number, peerPort: peerPort(i) };
    const tls = shown(first.cert, person);
    const more = ["--peer-cert-allowed-cn=member", "--snapshot-count=50"];
    const given = [...flags, ...more, "--snapshot-catchup-entries=10"];
    return new Member({ program, name, folder: dir, ...ends, initialCluster, flags: given, tls });
  });
}

async function withMembers(
  programs: readonly Program[],
  body: (members: Member[]) => Promise<void>,
): Promise<void> {
  const members = await createMembers(programs);
  try {
    for (const m of members) m.start();
    await Promise.all(members.map((m) => m.ready()));
    await body(members);
    for (const m of members) assert.doesNotMatch(m.logTail(2000), /panic|"level":"fatal"/);
  } catch (error) {
    for (const m of members) console.error(m.logTail(12));
    throw error;
  } finally {
    await Promise.all(members.map((m) => m[Symbol.asyncDispose]()));
  }
}

async function using<T>(member: Member, f: (client: Client) => Promise<T>): Promise<T> {
  const client = member.client();
  try {
    return await f(client);
  } finally {
    client.close();
  }
}

const write = (member: Member, prefix: string, count: number): Promise<void> =>
  using(member, async (client) => {
    for (let i = 0; i < count; i++) {
      // One may be lost with a leader that has just left, or that a late machine deposes.
      await until("a write", () => client.kv.put(`${prefix}/${i}`, `value ${i}`));
    }
  });

async function sameHash(members: readonly Member[]): Promise<void> {
  const revision = await using(members[0] as Member, async (client) => {
    return (await client.kv.get("x")).header?.revision ?? 0;
  });
  const hashes = await Promise.all(
    members.map((m) =>
      using(m, async (client) => {
        // A linearizable read first: then the member has applied what counts.
        await client.kv.get("x");
        return (await client.maintenance.hashKv(m.endpoint, revision)).hash;
      }),
    ),
  );
  assert.equal(new Set(hashes).size, 1, `hashes ${hashes} at revision ${revision}`);
}

test("a real etcd and two of our members are one cluster over TLS", {
  skip,
}, async () => {
  await withMembers([real as Program, quoin, quoin], async (members) => {
    const [etcdMember, ours] = members as [Member, Member, Member];
    for (const m of members) await write(m, `first/${m.name}`, 10);
    await ours.lead(members);
    // The etcd member comes back to a leader that holds nothing of its log before the last cut: its
    // snapshot comes from us, over TLS.
    await etcdMember.stop("SIGKILL");
    await write(ours, "away", 130);
    await ours.stop();
    ours.start();
    await ours.ready();
    await ours.lead(members);
    etcdMember.start();
    await etcdMember.ready();
    await etcdMember.lead(members);
    await using(ours, async (client) => {
      // A follower's lease requests go to the leader's peer port.
      const { id } = await client.lease.grant(100);
      assert.equal((await client.lease.keepAliveOnce(id)).ttl, 100);
    });
    // And the other way round.
    await ours.stop("SIGKILL");
    await write(etcdMember, "again", 130);
    ours.start();
    await ours.ready();
    await sameHash(members);
    assert.match(etcdMember.logTail(1000), /applied snapshot/);
    assert.match(ours.logTail(1000), /received and saved database snapshot/);

    const etcdctl = join(toolFolder("etcd") as string, "etcdctl");
    const certificate = writePair(folder, "person", person);
    const flags = [
      `--endpoints=${members.map((m) => m.endpoint).join()}`,
      `--cacert=${caFile}`,
      `--cert=${certificate.certFile}`,
      `--key=${certificate.keyFile}`,
      "--command-timeout=60s",
      "endpoint",
      "health",
    ];
    const [node, program] = quoin.command;
    for (const command of [[etcdctl], [node, program as string, "ctl"]]) {
      const [file, ...args] = command as [string, ...string[]];
      const said = execFileSync(file, [...args, ...flags], { encoding: "utf8", stdio: "pipe" });
      assert.equal(said.match(/is healthy/g)?.length, 3, said);
    }
  });
});

/** A connection to each member's client port that has to last. */
class Standing implements Disposable {
  readonly #client: Client;
  readonly #revisions: number[] = [];
  #broken: unknown;

  constructor(member: Member) {
    this.#client = member.client();
  }

  async open(): Promise<this> {
    const stream = await this.#client.watch.open();
    stream.create({ key: Buffer.from("watched") });
    const read = async () => {
      for await (const answer of stream) {
        for (const { kv } of answer.events) this.#revisions.push(kv?.modRevision ?? 0);
      }
      throw new Error("the stream ended");
    };
    read().catch((error: unknown) => {
      this.#broken = error;
    });
    return this;
  }

  /** The revision of a write over the one connection. */
  async put(): Promise<number> {
    return (await this.#client.kv.put("watched", "x")).header?.revision ?? 0;
  }

  /** Whether an event of this revision has come over the one connection. */
  hasSeen(revision: number): boolean {
    if (this.#broken !== undefined) throw this.#broken;
    return this.#revisions.includes(revision);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

test("leaves, authority and revocations change under three members; nothing is restarted or lost", async () => {
  await withMembers([quoin, quoin, quoin], async (members) => {
    const [m1, , m3] = members as [Member, Member, Member];
    await m1.lead(members);
    const standing = await Promise.all(members.slice(0, 2).map((m) => new Standing(m).open()));
    const everythingHolds = async () => {
      const revision = await (standing[0] as Standing).put();
      await until("both watches to see it", () => standing.every((s) => s.hasSeen(revision)));
    };
    /** Whether new connections are let in, at each member. */
    const newcomer = async (ca: Authority, who: Issued): Promise<boolean> => {
      const answers = await Promise.all(
        members.map(async (m) => (await connects(m, ca.cert, who)) && m.name),
      );
      const served = answers.filter((name) => name !== false);
      assert.ok([0, members.length].includes(served.length), `only ${served} served`);
      return served.length > 0;
    };
    const [young, bad] = [leaf(second), leaf(second)];
    /** A member that has to dial and to be dialled anew, by what the files say now. */
    const rejoin = async (tls: ReturnType<typeof shown>): Promise<void> => {
      await m3.stop("SIGKILL");
      m3.start();
      await until("the member to be back", async () => {
        using client = m3.client({ tls, dialTimeoutMs: 500 });
        return (await client.kv.get("x", { timeoutMs: 1000 })).header !== undefined;
      });
    };
    try {
      await everythingHolds();
      assert.equal(await newcomer(first, young), false);

      writeFileSync(caFile, first.cert + second.cert);
      assert.equal(await newcomer(first, young), true);
      await everythingHolds();

      for (const m of members) writePair(folder, m.name, leaf(second, { commonName: "member" }));
      assert.equal(await newcomer(second, young), true);
      assert.equal(await newcomer(first, young), false);
      await rejoin(shown(second.cert, young));
      await everythingHolds();

      writeFileSync(caFile, second.cert);
      assert.equal(await newcomer(second, person), false);
      assert.equal(await newcomer(second, bad), true);
      writeFileSync(crlFile, revocationList(second, [serialOf(bad)]));
      assert.equal(await newcomer(second, bad), false);
      assert.equal(await newcomer(second, young), true);
      await rejoin(shown(second.cert, young));
      await everythingHolds();
    } finally {
      for (const s of standing) s[Symbol.dispose]();
    }
  });
});

/** Whether a new connection answers a request for /version. */
function connects(member: Member, ca: string, { cert, key }: Issued): Promise<boolean> {
  const { hostname: host, port } = new URL(member.endpoint);
  const socket: TLSSocket = connectTls({ host, port: Number(port), ca, cert, key });
  return new Promise<boolean>((resolve) => {
    socket.once("data", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
    socket.write("GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
  }).finally(() => socket.destroy());
}

// Three real processes on loopback under load, with kill -9, SIGSTOP and restarts. What every client
// saw is checked with porcupine: linearizable with etcd's revisions, no acknowledged write lost,
// the same history on every member; and at the end HashKV is the same everywhere.
//
// QUOIN_PROCESS_SUBJECT=etcd runs real etcd instead (which checks the test), QUOIN_PROCESS_SEED and
// QUOIN_PROCESS_SECONDS replay and deepen. Faults are drawn from the seed; their exact moment is the
// machine's.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../../src/client/index.ts";
import { breakThings } from "./faults.ts";
import { createMembers, type Member, programNamed, toolFolder } from "./member.ts";
import { seededRandom } from "./random.ts";

const subject = programNamed(process.env["QUOIN_PROCESS_SUBJECT"]);
const checker = toolFolder("porcupine");
const seconds = Number(process.env["QUOIN_PROCESS_SECONDS"] ?? 45);
const seed = Number(process.env["QUOIN_PROCESS_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const skip = subject === undefined || checker === undefined ? "porcupine needs Go to build" : false;
/** Logs are cut early, so that who was away is caught up by a snapshot now and then. */
const flags = ["--snapshot-count=1000", "--snapshot-catchup-entries=200"];

test(`three members under faults, seed ${seed}`, { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-process-"));
  const history = join(folder, "history.jsonl");
  await using members = new Members(await createMembers(subject!, folder, 3, flags));
  for (const member of members.list) member.start();
  await Promise.all(members.list.map((member) => member.ready()));

  await using load = new Load(members.list, history);
  const done = await breakThings(members.list, seededRandom(seed), seconds * 1000);
  t.diagnostic(`faults: ${done.join("; ")}`);
  await Promise.all(members.list.map((member) => member.ready()));
  const summary = await load.finish();
  t.diagnostic(`load: ${summary}`);

  const verdict = check(history, join(folder, "violation.html"));
  t.diagnostic(`porcupine: ${verdict.text.replaceAll(/\s+/g, " ")}`);
  const replay = `QUOIN_PROCESS_SEED=${seed}; logs and history in ${folder}`;
  assert.equal(verdict.code, 0, `${verdict.text}\n${done.join("\n")}\n${replay}`);
  assert.deepEqual(await hashes(members.list), [], replay);
  rmSync(folder, { recursive: true, force: true });
});

class Members implements AsyncDisposable {
  readonly list: readonly Member[];

  constructor(list: readonly Member[]) {
    this.list = list;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.list.map((member) => member[Symbol.asyncDispose]()));
  }
}

/** The load generator, until it is told to finish. */
class Load implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | null>;
  #output = "";

  constructor(members: readonly Member[], history: string) {
    const endpoints = members.map((member) => member.endpoint).join(",");
    const args = ["-endpoints", endpoints, "-out", history, "-seed", `${seed}`, "-rate", "500"];
    this.#child = spawn(join(checker!, "histload"), [...args, "-duration", "10m"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text) => {
        this.#output += text;
      });
    }
    this.#exit = new Promise((resolve) => this.#child.once("exit", resolve));
  }

  /** Ends the load; it then records each member's watch. Throws when a member does not serve. */
  async finish(): Promise<string> {
    this.#child.kill("SIGTERM");
    const code = await this.#exit;
    assert.equal(code, 0, this.#output);
    return this.#output.trim().split("\n").at(-1) ?? "";
  }

  /** After a failure too: it would go on for its ten minutes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      this.#child.kill("SIGKILL");
    await this.#exit;
  }
}

function check(history: string, picture: string): { code: number | null; text: string } {
  const args = ["-timeout", "90s", "-picture", picture, history];
  const { status, stdout, stderr } = spawnSync(join(checker!, "histcheck"), args, {
    encoding: "utf8",
  });
  return { code: status, text: stdout + stderr };
}

/** Members whose hash at the common revision differs from the first one's. */
async function hashes(members: readonly Member[]): Promise<string[]> {
  const endpoints = members.map((member) => member.endpoint);
  using client = new Client({ endpoints });
  const { header } = await client.kv.get("h/000", { timeoutMs: 60_000 });
  const revision = header?.revision ?? 0;
  const answers = await Promise.all(
    endpoints.map(async (endpoint) => {
      // A disk that others keep busy may take its time: only the answer counts.
      await client.kv.get("h/000", { endpoint, timeoutMs: 60_000 });
      const { hash } = await client.maintenance.hashKv(endpoint, revision, { timeoutMs: 60_000 });
      return { endpoint, hash };
    }),
  );
  return answers
    .filter(({ hash }) => hash !== answers[0]?.hash)
    .map(({ endpoint, hash }) => `${endpoint}: ${hash} instead of ${answers[0]?.hash}`);
}

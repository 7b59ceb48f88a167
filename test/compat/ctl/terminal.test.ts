// What people do at a terminal: passwords that are not shown, an interactive txn, an interactive
// watch, Ctrl-C while holding a lock. A real etcd answers; util-linux' script is the terminal.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { test } from "node:test";
import { Client } from "../../../src/client/index.ts";
import { freePorts } from "../../free-ports.ts";
import type { Member } from "../../process/member.ts";
import { until } from "../../until.ts";
import { freshServer, ours, skip, type Tool, theirs } from "./command-lines.ts";
import { scratch } from "./snapshot-tools.ts";

const hasScript = ((): boolean => {
  try {
    execFileSync("script", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
const skipped = hasScript ? skip : "no script(1), which gives a program a terminal";

/** A program on a terminal of its own, with the environment that etcd's own tests leave. */
class Terminal implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #shown = "";

  constructor(tool: Tool, args: readonly string[]) {
    const line = [...tool, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    this.#child = spawn("script", ["-qefc", `exec ${line}`, "/dev/null"], {
      env: { PATH: process.env["PATH"] ?? "" },
      stdio: "pipe",
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#shown += text;
    });
    this.#ended = new Promise((resolve) => this.#child.once("close", resolve));
  }

  /** All that was shown, with the line ends of a file. */
  get shown(): string {
    return this.#shown.replaceAll("\r\n", "\n");
  }

  async showing(text: string): Promise<void> {
    await until(`the terminal shows ${text}`, () => this.shown.includes(text));
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  async ended(): Promise<number | null> {
    return await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

async function withServer(
  dir: string,
  work: (member: Member, endpoint: string) => Promise<void>,
): Promise<void> {
  await using member = freshServer(dir, await freePorts(2));
  member.start();
  await member.ready();
  await work(member, `--endpoints=${member.endpoint}`);
}

test("etcdctl at a terminal", { skip: skipped }, async (t) => {
  await withServer(scratch(t), async (member, endpoint) => {
    await t.test("a password is asked for twice and never shown", async () => {
      await using terminal = new Terminal(ours("etcdctl"), [endpoint, "user", "add", "someone"]);
      await terminal.showing("Password of someone: ");
      terminal.type("seXX\x7f\x7fcret\r");
      await terminal.showing("Type password of someone again for confirmation: ");
      terminal.type("secret\r");
      assert.equal(await terminal.ended(), 0);
      assert.equal(
        terminal.shown,
        "Password of someone: \nType password of someone again for confirmation: \nUser someone created\n",
      );
      using client = new Client({ endpoints: [member.endpoint] });
      assert.deepEqual((await client.auth.userList()).users, ["someone"]);
    });

    await t.test("^C at a password leaves the terminal as it was", async () => {
      await using terminal = new Terminal(
        ["sh", "-c", `"$@"; stty -a | grep -o -- "-\\?\\becho\\b"; exit 7`, "sh"],
        [...ours("etcdctl"), endpoint, "user", "add", "nobody"],
      );
      await terminal.showing("Password of nobody: ");
      terminal.type("secret\x03");
      assert.equal(await terminal.ended(), 7);
      assert.match(terminal.shown, /^Password of nobody: \nError: interrupted\necho\n$/);
    });

    for (const [name, tool] of [
      ["real etcdctl", theirs("etcdctl")],
      ["ours", ours("etcdctl")],
    ] as const) {
      await t.test(
        `an interactive txn says what it expects and needs no end of input: ${name}`,
        async () => {
          await using terminal = new Terminal(tool, [endpoint, "txn", "-i"]);
          await terminal.showing("compares:\n");
          terminal.type('ver("txn") > "0"\r\r');
          await terminal.showing("success requests (get, put, del):\n");
          terminal.type("get txn\r\r");
          await terminal.showing("failure requests (get, put, del):\n");
          terminal.type(`put 'not there' "a b"\rget 'not there'\r\r`);
          assert.equal(await terminal.ended(), 0);
          assert.match(terminal.shown, /\nFAILURE\n\nOK\n\nnot there\na b\n$/);
        },
      );

      await t.test(`an interactive watch shows several watches at once: ${name}`, async () => {
        using client = new Client({ endpoints: [member.endpoint] });
        const { header } = await client.kv.put("w1", "1");
        await using terminal = new Terminal(tool, [endpoint, "watch", "-i"]);
        terminal.type(`watch w1 --rev ${header?.revision}\r`);
        await terminal.showing("PUT\nw1\n1\n");
        terminal.type(`watch w2 --prefix --rev ${header?.revision} -- echo ran\r`);
        terminal.type("progress\rnonsense\r");
        await terminal.showing("Invalid command nonsense (only support watch)\n");
        await client.kv.put("w2", "2");
        await terminal.showing("PUT\nw2\n2\nran\n");
        terminal.type("\x04");
        assert.equal(await terminal.ended(), 3);
      });

      await t.test(`a lock is held until ^C: ${name}`, async () => {
        using client = new Client({ endpoints: [member.endpoint] });
        await using first = new Terminal(tool, [endpoint, "lock", "mine"]);
        await first.showing("mine/");
        // Both etcdctl queue for one lock.
        await using second = new Terminal(ours("etcdctl"), [
          endpoint,
          "lock",
          "mine",
          "echo",
          "held",
        ]);
        await until("two keys", async () => {
          const { count } = await client.kv.get("mine/", { prefix: true });
          return count === 2;
        });
        assert.equal(second.shown, "");
        first.type("\x03");
        assert.equal(await first.ended(), 0);
        assert.equal(await second.ended(), 0);
        assert.equal(second.shown, "held\n");
        assert.equal((await client.kv.get("mine/", { prefix: true })).count, 0);
      });

      await t.test(`an election goes to the next candidate at ^C: ${name}`, async () => {
        await using listener = new Terminal(ours("etcdctl"), [endpoint, "elect", "-l", "e"]);
        await using first = new Terminal(tool, [endpoint, "elect", "e", "first"]);
        await first.showing("first\n");
        await listener.showing("\nfirst\n");
        await using second = new Terminal(tool, [endpoint, "elect", "e", "second"]);
        first.type("\x03");
        assert.equal(await first.ended(), 0);
        await second.showing("second\n");
        await listener.showing("\nsecond\n");
        second.type("\x03");
        assert.equal(await second.ended(), 0);
        listener.type("\x03");
        assert.equal(await listener.ended(), 0);
      });
    }

    await t.test("a mirror copies what is there and what comes, and tells how much", async () => {
      await withServer(scratch(t), async (target) => {
        using source = new Client({ endpoints: [member.endpoint] });
        using copy = new Client({ endpoints: [target.endpoint] });
        await source.kv.put("m/1", "one");
        await source.kv.put("m/2", "two");
        await source.kv.put("other", "x");
        const flags = ["--prefix=m/", "--dest-prefix=n/", target.endpoint.slice(7)];
        await using terminal = new Terminal(ours("etcdctl"), [endpoint, "make-mirror", ...flags]);
        const keys = async (): Promise<string> =>
          (await copy.kv.get("", { prefix: true })).kvs
            .map(({ key, value }) => `${Buffer.from(key)}=${Buffer.from(value)}`)
            .join(" ");
        await until("what is there", async () => (await keys()) === "n/1=one n/2=two");
        await source.kv.delete("m/1");
        await source.kv.put("m/3", "three");
        await until("the changes", async () => (await keys()) === "n/2=two n/3=three");
        await terminal.showing("mirroring: ");
      });
    });
  });
});

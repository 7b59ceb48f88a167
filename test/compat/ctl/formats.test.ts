// Every answer in every format.

import { test } from "node:test";
import { compareLines, type Line, run, skip } from "./command-lines.ts";

const formats = ["simple", "json", "fields", "table", "protobuf"];
const txn = 'ver("t") = "0"\n\nput t "\\x00\\xffé<"\nget t\ndel t --prev-kv\n\nget nothing\n\n';

/** One line in each format; ids that the server draws are left out of the comparison if `drawn`. */
const each = (line: Omit<Line, "args">, ...args: string[]): Line[] =>
  formats.flatMap((format) => [{ ...line, args: [...args, "-w", format] }]);

/** With --hex too, where a format knows it. */
const eachHex = (...args: string[]): Line[] => [
  ...each({}, ...args),
  ...["simple", "json", "fields"].map((format) => run(...args, "-w", format, "--hex")),
];

/** A clock reading's width is that of its column. */
const notTable = ({ args }: Line): boolean => !args.includes("table");

const lines: readonly Line[] = [
  ...each({}, "put", "key", "va\tlue\u0001\u00ad", "--prev-kv"),
  ...each({}, "put", "a&b", "<v>"),
  ...eachHex("get", "", "--prefix"),
  ...each({}, "get", "key", "--stream"),
  run("get", "", "--prefix", "--stream", "--limit=1", "-w", "json"),
  run("get", "", "--prefix", "--stream", "--order=DESCEND"),
  run("get", "", "--prefix", "--stream", "--min-mod-rev=3"),
  ...each({}, "get", "key", "--keys-only"),
  ...each({}, "get", "key", "--count-only"),
  ...each({}, "get", "key", "--print-value-only"),
  run("get", "key", "-w", "yaml"),
  ...each({ stdin: txn }, "txn"),
  { args: ["put", "leased", "x"] },
  ...each({}, "del", "a&b", "--prev-kv"),
  ...eachHex("endpoint", "hashkv"),
  ...each({ drawn: true }, "lease", "grant", "600"),
  {
    args: ["lease", "grant", "500"],
    drawn: true,
    capture: ["lease", /lease (\w+) granted/],
  },
  { args: ["put", "leased", "y", "--lease={lease}"] },
  ...each({ drawn: true }, "lease", "timetolive", "{lease}", "--keys"),
  ...each({ drawn: true }, "lease", "keep-alive", "--once", "{lease}"),
  { args: ["lease", "timetolive", "{lease}", "-w", "fields", "--hex"], drawn: true },
  { args: ["get", "leased", "-w", "fields", "--hex"], drawn: true },
  { args: ["get", "leased", "-w", "json"], drawn: true },
  ...each({}, "lease", "timetolive", "123"),
  ...each({}, "lease", "revoke", "123"),
  { args: ["lease", "revoke", "{lease}", "-w", "fields"], drawn: true },
  ...eachHex("member", "list"),
  { args: ["member", "add", "l", "--learner", "--peer-urls=http://127.0.0.1:1"], drawn: true },
  {
    args: ["member", "list"],
    drawn: true,
    capture: ["learner", /^(\w+), unstarted/m],
  },
  { args: ["member", "update", "{learner}", "--peer-urls=http://127.0.0.1:2"], drawn: true },
  {
    args: ["member", "update", "{learner}", "--peer-urls=http://127.0.0.1:3", "-w", "json"],
    drawn: true,
  },
  { args: ["member", "promote", "{learner}"], drawn: true },
  { args: ["member", "remove", "{learner}"], drawn: true },
  { args: ["member", "remove", "{learner}"], drawn: true },
  ...["json", "fields", "table"].flatMap((format, i): Line[] => [
    {
      args: [
        "member",
        "add",
        "m",
        "--learner",
        `--peer-urls=http://127.0.0.1:${i + 4}`,
        "-w",
        format,
      ],
      drawn: true,
    },
    {
      args: ["member", "list"],
      drawn: true,
      capture: ["learner", /^(\w+), unstarted/m],
    },
    { args: ["member", "remove", "{learner}", "-w", format], drawn: true },
  ]),
  ...each({}, "endpoint", "status"),
  ...each({}, "endpoint", "health").filter(notTable),
  run("endpoint", "status", "-w", "fields", "--hex", "--cluster"),
  { args: ["endpoint", "health"], env: { ETCDCTL_CLUSTER: "true" } },
  ...each({}, "alarm", "list"),
  {
    args: ["alarm", "list", "-w", "json"],
    before: async (client) => {
      const { header } = await client.kv.get("x");
      const memberId = header?.memberId ?? (0n as never);
      await client.maintenance.alarm({ action: 1, memberId, alarm: 1 });
    },
  },
  ...eachHex("alarm", "list").filter(({ args }) => !args.includes("simple")),
  ...each({}, "endpoint", "health").filter(notTable),
  run("put", "key", "v"),
  run("alarm", "disarm", "-w", "fields"),
  ...each({}, "downgrade", "validate", "3.6"),
  ...each({}, "downgrade", "cancel"),
  run("downgrade", "validate", "3.1"),
  run("downgrade", "validate", "x"),
  run("downgrade", "validate"),
  run("downgrade", "enable", "a", "b"),
  run("downgrade", "enable", ""),
  ...each({}, "compaction", "3"),
  ...each({}, "defrag"),
  ...each({}, "auth", "status"),
  ...each({}, "user", "list"),
  ...each({}, "role", "list"),
  ...each({}, "check", "perf", "--load", "huge"),
  run("snapshot", "save", "{dir}/quoin-format.db", "-w", "yaml"),
];

test("every answer looks alike in every format", { skip, timeout: 480_000 }, (t) =>
  compareLines(t, lines),
);

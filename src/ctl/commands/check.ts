import type { Command, Subcommand } from "../command.ts";
import type { FlagSpec } from "../flags.ts";

const loads = ["small", "medium", "large", "xLarge"] as const;

const flagsFor = (what: string): readonly FlagSpec[] => [
  {
    name: "load",
    type: "string",
    default: "s",
    usage: "how much to ask of it: s(mall), m(edium), l(arge), xl or xLarge",
    values: loads,
  },
  {
    name: "prefix",
    type: "string",
    default: `/etcdctl-check-${what}/`,
    usage: "of the keys that are written, and deleted afterwards",
  },
  { name: "auto-compact", type: "bool", default: "false", usage: "compact afterwards" },
  { name: "auto-defrag", type: "bool", default: "false", usage: "defragment afterwards" },
];

const perf: Subcommand = {
  use: "perf [options]",
  short: "Writes for a minute and tells whether the cluster keeps up",
  flags: flagsFor("perf"),
  run: async (invocation) => (await import("../check/perf.ts")).checkPerf(invocation),
};

const datascale: Subcommand = {
  use: "datascale [options]",
  short: "Tells how much memory the first endpoint's server needs for many keys",
  flags: flagsFor("datascale"),
  run: async (invocation) => (await import("../check/datascale.ts")).checkDatascale(invocation),
};

export const check: Command = { use: "check <subcommand>", commands: [datascale, perf] };

/** Command line of `kubectl quoin`. */
import { parseArgs } from "node:util";
import { parseDuration } from "../lib/duration.ts";

export const usage = `usage: kubectl quoin COMMAND [flags]

  status [CLUSTER]            the clusters of a namespace, or all about one: members, conditions, what
                              the operator does and waits for, incidents, backups
  backup CLUSTER              make a backup now
      --schedule=NAME           where and how this schedule does it (default: the cluster's only one)
      --to=URI                  s3://BUCKET[/PREFIX] or pvc://CLAIM[/FOLDER]
      --verify=None|Checksum|Restore
  restore CLUSTER             make cluster CLUSTER from a backup, or with --in-place go back to one
      --backup=NAME             an EtcdBackup of this namespace
      --schedule=NAME           the newest verified backup of this schedule
      --location=URI            s3://BUCKET/KEY or pvc://CLAIM/PATH; also a snapshot file of etcd
      --in-place                replace the data of CLUSTER, which exists, by that of the backup
      --like=NAME               take the new cluster's spec from this one (default: the backup's)
      --replicas=N --size=8Gi   the new cluster's, where there is none to be like

flags of backup and restore:
  --name=NAME                 of the EtcdBackup or EtcdRestore (default: CLUSTER and the time)
  --wait                      follow it to its end; exit code 0 when it succeeded
  --timeout=1h                how long --wait waits
  --s3-endpoint=URL --s3-region=REGION --s3-force-path-style
  --s3-credentials=SECRET     with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
  --s3-ca=SECRET              with ca.crt

  -n, --namespace=NAME        default: that of the kubeconfig's context
  -A, --all-namespaces        status of all clusters
  --kubeconfig=FILE --context=NAME
`;

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;

const options = {
  namespace: { type: "string", short: "n" },
  "all-namespaces": { type: "boolean", short: "A" },
  kubeconfig: text,
  context: text,
  schedule: text,
  to: text,
  verify: text,
  backup: text,
  location: text,
  "in-place": flag,
  like: text,
  replicas: text,
  size: text,
  name: text,
  wait: flag,
  timeout: text,
  "s3-endpoint": text,
  "s3-region": text,
  "s3-force-path-style": flag,
  "s3-credentials": text,
  "s3-ca": text,
  help: { type: "boolean", short: "h" },
} as const;

export type Flags = {
  readonly [name in keyof typeof options]?: (typeof options)[name]["type"] extends "boolean"
    ? boolean
    : string;
};

export type CommandName = "status" | "backup" | "restore";

export interface CommandLine {
  readonly command: CommandName;
  /** Empty only for status. */
  readonly cluster: string;
  readonly flags: Flags;
  readonly timeoutMs: number;
}

/** Flags of one command only. */
const own: Record<CommandName, readonly string[]> = {
  status: ["all-namespaces"],
  backup: ["schedule", "to", "verify"],
  restore: ["backup", "schedule", "location", "in-place", "like", "replicas", "size"],
};
const everywhere = ["namespace", "kubeconfig", "context", "help"];

/** Throws a TypeError that says what to write instead; "help" when help is asked for. */
export function parseCommandLine(argv: readonly string[]): CommandLine | "help" {
  const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
  const [command, cluster = "", ...more] = positionals;
  if (values.help || command === "help") return "help";
  if (command !== "status" && command !== "backup" && command !== "restore") {
    throw new TypeError(`name a command, one of status, backup, restore; got ${command ?? "none"}`);
  }
  if (more.length > 0) throw new TypeError(`remove ${more.join(" ")}: one cluster at a time`);
  if (cluster === "" && command !== "status") {
    throw new TypeError(`name the cluster: kubectl quoin ${command} CLUSTER`);
  }
  refuseForeignFlags(command, Object.keys(values));
  const timeoutMs = parseDuration(values.timeout ?? "1h");
  if (timeoutMs === undefined || timeoutMs <= 0) {
    throw new TypeError(`set --timeout to a duration such as 30m; it is "${values.timeout}"`);
  }
  return { command, cluster, flags: values, timeoutMs };
}

function refuseForeignFlags(command: CommandName, names: readonly string[]): void {
  const makes = command !== "status";
  for (const name of names) {
    const owners = Object.entries(own).filter(([, flags]) => flags.includes(name));
    const isKnown = everywhere.includes(name) || (makes && owners.length === 0);
    if (isKnown || own[command].includes(name)) continue;
    throw new TypeError(`remove --${name}: kubectl quoin ${command} does not have it`);
  }
}

/** Command lines of `quoin backup`. */
import { parseArgs } from "node:util";
import { parseDuration } from "../lib/duration.ts";
import { type DestinationOptions, destinationFlags, destinationFrom } from "./destination.ts";
import { assertKey } from "./keys.ts";
import type { RetentionRules } from "./retention.ts";
import { BackupError } from "./types.ts";

export const usage = `usage: quoin backup save|restore|verify|delete [flags]

Where artefacts lie (all four):
  --directory=DIR                 a folder, such as a mounted volume; for people it is called
  --directory-uri=URI             this, such as pvc://claim/folder (default: file://DIR)
  --s3-bucket=B --s3-prefix=P --s3-endpoint=URL --s3-region=R --s3-force-path-style
  --s3-ca-file=FILE               credentials: AWS_* in the environment, or the SDK's default chain

save: stores a snapshot of a cluster
  --endpoints=URL,URL             client URLs of all members; a follower in sync is chosen
  --cacert=FILE --cert=FILE --key=FILE
                                  for https: whom to trust, and what to show
  --cluster=NS/NAME --lineage=ID --backup=NS/NAME [--schedule=NS/NAME]
  --cluster-id=HEX                members of any other cluster are not asked
  --compression=none|gzip|zstd    (default zstd)
  --verify=None|Checksum|Restore  read the stored object again, or boot a member from it
                                  (default Checksum)
  --scratch-dir=DIR               room for a snapshot and a restored member (default $TMPDIR)
  --keep-last=N --max-age=720h --keep-daily=N --keep-weekly=N --keep-monthly=N
                                  what --schedule keeps; with none of them everything is kept
  --sweep-after=DURATION          unfinished uploads that old are a dead run's (default 24h; in a
                                  directory 10m without a write)

restore: makes the data of the first member of a new cluster
  --key=KEY [--checksum=sha256:HEX] --data-dir=DIR --name=NAME --initial-cluster=NAME=URL
  --initial-cluster-token=TOKEN --initial-advertise-peer-urls=URL
  --revision-bump=N               added to the revision, which is marked compacted (0: neither)
  --mark-compacted                as etcdutl has it; follows from --revision-bump here
  --skip-hash-check               take a file copied from a data folder, which has no hash

verify: reads a stored object again      --key=KEY [--verify=Checksum|Restore] [--scratch-dir=DIR]
delete: deletes an artefact of a lineage --key=KEY --lineage=ID

The last word is a report as JSON on stdout and in the file $TERMINATION_LOG.
`;

export type Compression = "none" | "gzip" | "zstd";
export type Verify = "None" | "Checksum" | "Restore";

/** `<namespace>/<name>`. */
export interface Named {
  readonly namespace: string;
  readonly name: string;
}

export interface TlsFiles {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface SaveOptions {
  readonly kind: "save";
  readonly destination: DestinationOptions;
  readonly endpoints: readonly string[];
  /** PEM files for https endpoints; undefined: the system's authorities, and nothing shown. */
  readonly tls?: TlsFiles;
  readonly cluster: Named;
  /** Undefined: whichever the members say. */
  readonly clusterId?: bigint;
  readonly lineage: string;
  /** `<namespace>/<name>`, as manifests have them. */
  readonly backup: string;
  readonly schedule?: string;
  readonly compression: Compression;
  readonly verify: Verify;
  readonly scratchDir: string;
  /** Undefined when no rule is given. */
  readonly retention?: RetentionRules;
  readonly sweepAfterMs: number;
}

export interface RestoreJobOptions {
  readonly kind: "restore";
  readonly destination: DestinationOptions;
  readonly key: string;
  /** Hexadecimal, without `sha256:`. */
  readonly sha256?: string;
  readonly dataDir: string;
  readonly name: string;
  readonly initialCluster: string;
  readonly token: string;
  readonly peerUrls: readonly string[];
  readonly revisionBump: number;
  readonly skipHashCheck: boolean;
}

export interface VerifyOptions {
  readonly kind: "verify";
  readonly destination: DestinationOptions;
  readonly key: string;
  readonly verify: Exclude<Verify, "None">;
  readonly scratchDir: string;
}

export interface DeleteOptions {
  readonly kind: "delete";
  readonly destination: DestinationOptions;
  readonly key: string;
  readonly lineage: string;
}

export type JobOptions = SaveOptions | RestoreJobOptions | VerifyOptions | DeleteOptions;

const retentionFlags = [
  "keep-last",
  "max-age",
  "keep-daily",
  "keep-weekly",
  "keep-monthly",
] as const;
const flagsOf = {
  save: [
    ...[
      "endpoints",
      "cluster",
      "cluster-id",
      "lineage",
      "backup",
      "schedule",
      "compression",
      "verify",
    ],
    ...["scratch-dir", "sweep-after", "cacert", "cert", "key", ...retentionFlags],
  ],
  restore: [
    ...["key", "checksum", "data-dir", "name", "initial-cluster", "initial-cluster-token"],
    ...["initial-advertise-peer-urls", "revision-bump", "mark-compacted", "skip-hash-check"],
  ],
  verify: ["key", "verify", "scratch-dir"],
  delete: ["key", "lineage"],
} as const;
const switches: ReadonlySet<string> = new Set(["mark-compacted", "skip-hash-check"]);

/** "help" when help is asked for. Throws BackupError InvalidConfig, which names the flag. */
export function parseOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): JobOptions | "help" {
  const [kind, ...args] = argv;
  if (kind === undefined || args.includes("--help") || /^(-h|(--)?help)$/.test(kind)) return "help";
  if (!isKind(kind)) {
    throw invalid(`no command ${JSON.stringify(kind)}; use ${Object.keys(flagsOf).join(", ")}`);
  }
  const flags = new FlagValues(args, [...destinationFlags, ...flagsOf[kind]]);
  const destination = destinationFrom(flags.texts);
  switch (kind) {
    case "save":
      return saveOptions(flags, destination, env);
    case "restore":
      return restoreOptions(flags, destination);
    case "verify":
      return {
        kind,
        destination,
        key: keyOf(flags),
        verify: flags.oneOf("verify", ["Checksum", "Restore"]) ?? "Checksum",
        scratchDir: scratchDirOf(flags, env),
      };
    case "delete":
      return { kind, destination, key: keyOf(flags), lineage: flags.required("lineage") };
  }
}

const isKind = (word: string): word is keyof typeof flagsOf => Object.hasOwn(flagsOf, word);

function saveOptions(
  flags: FlagValues,
  destination: DestinationOptions,
  env: Readonly<Record<string, string | undefined>>,
): SaveOptions {
  const endpoints = flags.list("endpoints");
  if (endpoints.length === 0) throw invalid("set --endpoints to the members' client URLs");
  const schedule = flags.get("schedule");
  const retention: RetentionRules = {
    ...optional("keepLast", flags.count("keep-last")),
    ...optional("maxAgeMs", flags.durationMs("max-age")),
    ...optional("keepDaily", flags.count("keep-daily")),
    ...optional("keepWeekly", flags.count("keep-weekly")),
    ...optional("keepMonthly", flags.count("keep-monthly")),
  };
  if (schedule !== undefined) named("schedule", schedule);
  const backup = flags.required("backup");
  named("backup", backup);
  // A folder tells when a file was last written, a bucket only when its upload began: there another
  // run, with a longer deadline, may be alive.
  const defaultSweepMs = destination.kind === "directory" ? 600_000 : 24 * 3_600_000;
  return {
    kind: "save",
    destination,
    endpoints,
    ...tlsFiles(flags),
    cluster: named("cluster", flags.required("cluster")),
    ...optional("clusterId", clusterIdOf(flags.get("cluster-id"))),
    lineage: flags.required("lineage"),
    backup,
    ...optional("schedule", schedule),
    compression: flags.oneOf("compression", ["none", "gzip", "zstd"]) ?? "zstd",
    verify: flags.oneOf("verify", ["None", "Checksum", "Restore"]) ?? "Checksum",
    scratchDir: scratchDirOf(flags, env),
    ...(Object.keys(retention).length === 0 ? {} : { retention }),
    sweepAfterMs: flags.durationMs("sweep-after") ?? defaultSweepMs,
  };
}

function tlsFiles(flags: FlagValues): Pick<SaveOptions, "tls"> {
  const [caFile, certFile, keyFile] = [flags.get("cacert"), flags.get("cert"), flags.get("key")];
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw invalid("set --cert and --key together");
  }
  if (caFile === undefined && certFile === undefined) return {};
  const files = { ...optional("caFile", caFile), ...optional("certFile", certFile) };
  return { tls: { ...files, ...optional("keyFile", keyFile) } };
}

function restoreOptions(flags: FlagValues, destination: DestinationOptions): RestoreJobOptions {
  const checksum = flags.get("checksum");
  if (checksum !== undefined && !/^sha256:[0-9a-f]{64}$/.test(checksum)) {
    throw invalid(`set --checksum to sha256:<64 hex digits>; it is ${JSON.stringify(checksum)}`);
  }
  const dataDir = flags.required("data-dir");
  if (!dataDir.startsWith("/")) throw invalid(`give --data-dir from the root on, not ${dataDir}`);
  const revisionBump = flags.count("revision-bump") ?? 0;
  if (flags.has("mark-compacted") && revisionBump === 0) {
    throw invalid("--mark-compacted goes with a --revision-bump above 0");
  }
  return {
    kind: "restore",
    destination,
    key: keyOf(flags),
    ...optional("sha256", checksum?.slice("sha256:".length)),
    dataDir: dataDir.replace(/\/+$/, ""),
    name: flags.required("name"),
    initialCluster: flags.required("initial-cluster"),
    token: flags.required("initial-cluster-token"),
    peerUrls: flags.required("initial-advertise-peer-urls").split(","),
    revisionBump,
    skipHashCheck: flags.has("skip-hash-check"),
  };
}

function keyOf(flags: FlagValues): string {
  const key = flags.required("key");
  assertKey(key);
  return key;
}

function clusterIdOf(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9a-f]{1,16}$/.test(text)) return BigInt(`0x${text}`);
  throw invalid(`set --cluster-id to hexadecimal digits; it is ${JSON.stringify(text)}`);
}

const scratchDirOf = (
  flags: FlagValues,
  env: Readonly<Record<string, string | undefined>>,
): string => flags.get("scratch-dir") ?? env["TMPDIR"] ?? "/tmp";

function named(flag: string, text: string): Named {
  const match = /^([a-z0-9.-]+)\/([a-z0-9.-]+)$/.exec(text);
  if (match === null) {
    throw invalid(`set --${flag} to <namespace>/<name>; it is ${JSON.stringify(text)}`);
  }
  return { namespace: match[1] as string, name: match[2] as string };
}

const optional = <K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } =>
  value === undefined ? {} : ({ [key]: value } as { [P in K]: T });

const invalid = (message: string): BackupError => new BackupError("InvalidConfig", message);

/** `--flag=value`, each at most once; an empty value counts as not given. */
class FlagValues {
  readonly #values: Readonly<Record<string, string | boolean | undefined>>;

  constructor(args: readonly string[], names: readonly string[]) {
    // --s3-force-path-style takes a value or none; written alone it means true.
    const options = Object.fromEntries(
      names.map((name) => [name, { type: switches.has(name) ? "boolean" : "string" } as const]),
    );
    // A switch may be written with a value, as generated command lines do.
    const plain = args.flatMap((arg) => {
      if (arg === "--s3-force-path-style") return [`${arg}=true`];
      const match = /^--([a-z0-9-]+)=(true|false)$/.exec(arg);
      const isSwitch = switches.has(match?.[1] ?? "");
      if (match === null || !isSwitch) return [arg];
      return match[2] === "true" ? [`--${match[1]}`] : [];
    });
    try {
      this.#values = parseArgs({ args: plain, options }).values;
    } catch (error) {
      throw invalid((error as Error).message);
    }
  }

  /** By name; "true" for a switch. */
  get texts(): ReadonlyMap<string, string> {
    const given = Object.entries(this.#values).filter(([, value]) => value !== undefined);
    return new Map(given.map(([name, value]) => [name, String(value)]));
  }

  get(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  }

  has(name: string): boolean {
    return this.#values[name] === true;
  }

  required(name: string): string {
    const value = this.get(name);
    if (value === undefined) throw invalid(`set --${name}`);
    return value;
  }

  list(name: string): string[] {
    return (this.get(name) ?? "").split(",").filter((part) => part !== "");
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.get(name);
    const found = allowed.find((a) => a === value);
    if (value !== undefined && found === undefined) {
      throw invalid(`set --${name} to one of ${allowed.join(", ")}; it is "${value}"`);
    }
    return found;
  }

  count(name: string): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const count = Number(value);
    if (/^\d+$/.test(value) && Number.isSafeInteger(count)) return count;
    throw invalid(`set --${name} to a whole number; it is ${JSON.stringify(value)}`);
  }

  durationMs(name: string): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const ms = parseDuration(value);
    if (ms !== undefined && ms >= 0) return ms;
    throw invalid(`set --${name} to a duration such as 720h; it is ${JSON.stringify(value)}`);
  }
}

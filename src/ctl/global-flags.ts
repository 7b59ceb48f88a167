import type { Invocation } from "./command.ts";
import { CommandError, exitCode } from "./exit.ts";
import type { FlagSpec } from "./flags.ts";

const string = (name: string, usage: string, value = ""): FlagSpec => ({
  name,
  type: "string",
  default: value,
  usage,
});
const bool = (name: string, usage: string, value = false): FlagSpec => ({
  name,
  type: "bool",
  default: String(value),
  usage,
});
const duration = (name: string, usage: string, value: string): FlagSpec => ({
  name,
  type: "duration",
  default: value,
  usage,
});

/** Flags of every etcdctl command (etcd etcdctl/ctlv3/ctl.go). */
export const globalFlags: readonly FlagSpec[] = [
  { name: "endpoints", type: "strings", default: "127.0.0.1:2379", usage: "members to talk to" },
  bool("debug", "tell what the client does"),
  {
    name: "write-out",
    short: "w",
    type: "string",
    default: "simple",
    usage: "form of the answer (fields, json, protobuf, simple, table)",
    values: ["fields", "json", "protobuf", "simple", "table"],
  },
  bool("hex", "print bytes as hexadecimal"),
  duration("dial-timeout", "how long a connection may take", "2s"),
  duration("command-timeout", "how long a short command may take (without the dialing)", "5s"),
  duration("keepalive-time", "idle time before the connection is probed", "2s"),
  duration("keepalive-timeout", "how long the answer to a probe may take", "6s"),
  {
    name: "max-request-bytes",
    type: "int64",
    default: "0",
    usage: "accepted for compatibility; requests are not limited here",
  },
  {
    name: "max-recv-bytes",
    type: "int64",
    default: "0",
    usage: "accepted for compatibility; answers are not limited here",
  },
  bool("insecure-transport", "no TLS where the endpoint does not say https", true),
  bool("insecure-discovery", "take members without TLS from SRV records", true),
  bool("insecure-skip-tls-verify", "accept any server certificate (for tests only)"),
  string("cert", "client certificate file"),
  string("key", "client key file"),
  string("cacert", "file with the CA that servers must be signed by"),
  string("auth-jwt-token", "token instead of user and password"),
  string("user", "name[:password]"),
  string("password", "password of --user"),
  {
    name: "discovery-srv",
    short: "d",
    type: "string",
    default: "",
    usage: "domain whose SRV records name the members",
  },
  string("discovery-srv-name", "service name in them: _etcd-client-NAME"),
];

const envName = (flag: string): string => `ETCDCTL_${flag.toUpperCase().replaceAll("-", "_")}`;

/** Why ETCDCTL_API makes no sense; undefined when it is 3, which is all there is, or not set. */
export function refusedApi(env: NodeJS.ProcessEnv): string | undefined {
  const api = env["ETCDCTL_API"] ?? "";
  if (api === "" || api === "3") return undefined;
  return `ETCDCTL_API=${api} is not supported: this etcdctl speaks the v3 API alone; unset it`;
}

/** Read by commands themselves, or by the shell that starts us. */
const otherVariables = ["ETCDCTL_WATCH_KEY", "ETCDCTL_WATCH_RANGE_END", "ETCDCTL_API"];

/**
 * Takes global flags from ETCDCTL_* variables. A variable beside its flag ends the program, an
 * unknown one is warned of, an unusable value is ignored: as etcd's tools do (pkg/flags/flag.go).
 */
export function readEnvironment({ flags, inherited, env, out }: Invocation): void {
  const used = new Set(otherVariables);
  const say = (level: string, msg: string, variable: string): void => {
    const entry = { level, ts: new Date().toISOString(), caller: "ctl/global-flags.ts", msg };
    out.error(`${JSON.stringify({ ...entry, "environment-variable": variable })}\n`);
  };
  for (const { name } of inherited) {
    const value = env[envName(name)];
    if (value === undefined) continue;
    if (flags.changed(name)) {
      const why =
        "conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))";
      say("fatal", why, envName(name));
      throw new CommandError(exitCode.error, why, false);
    }
    if (value === "") continue;
    used.add(envName(name));
    try {
      flags.set(name, value, "environment");
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
    }
  }
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith("ETCDCTL_") && !used.has(name)) {
      say("warn", "unrecognized environment variable", `${name}=${value}`);
    }
  }
  if (!flags.bool("debug")) return;
  for (const { name } of [...inherited].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const secret = name === "password" || name === "auth-jwt-token";
    const text = secret && flags.text(name) !== "" ? "..." : flags.text(name);
    out.error(`${envName(name)}=${text}\n`);
  }
}

/**
 * --config-file: YAML or JSON with the names of the flags. Source: etcd server/embed/config.go
 * configFromFile. It stands for all flags and variables; durations are nanoseconds, unknown keys are
 * passed over, as by Go's decoder.
 */
import { parse, YAMLParseError } from "yaml";
import { flagTable } from "./flag-table.ts";
import type { FlagValues } from "./flag-values.ts";

/** Keys of a nested section: the flags they stand for, or sections within. */
interface Section {
  readonly [key: string]: string | Section;
}

const security = (prefix: "" | "peer-", hostnames: string): Section => ({
  "cert-file": `${prefix}cert-file`,
  "key-file": `${prefix}key-file`,
  "client-cert-file": `${prefix}client-cert-file`,
  "client-key-file": `${prefix}client-key-file`,
  "client-cert-auth": `${prefix}client-cert-auth`,
  "trusted-ca-file": `${prefix}trusted-ca-file`,
  "auto-tls": `${prefix}auto-tls`,
  "allowed-hostname": hostnames,
  ...(prefix === "" ? {} : { "allowed-cn": "peer-cert-allowed-cn" }),
  ...(prefix === "" ? {} : { "skip-client-san-verification": "peer-skip-client-san-verification" }),
});

const sections: Readonly<Record<string, Section>> = {
  "client-transport-security": security("", "client-cert-allowed-hostname"),
  "peer-transport-security": security("peer-", "peer-cert-allowed-hostname"),
  "socket-options": {
    "reuse-port": "socket-reuse-port",
    "reuse-address": "socket-reuse-address",
  },
  "discovery-config": {
    token: "discovery-token",
    client: {
      endpoints: "discovery-endpoints",
      "dial-timeout": "discovery-dial-timeout",
      "request-timeout": "discovery-request-timeout",
      "keepalive-time": "discovery-keepalive-time",
      "keepalive-timeout": "discovery-keepalive-timeout",
      secure: {
        cert: "discovery-cert",
        key: "discovery-key",
        cacert: "discovery-cacert",
        "insecure-transport": "discovery-insecure-transport",
        "insecure-skip-tls-verify": "discovery-insecure-skip-tls-verify",
      },
      auth: { username: "discovery-user", password: "discovery-password" },
    },
  },
};

/** Sets what the file's text says; what is wrong with it, or undefined. */
export function readConfigFile(text: string, values: FlagValues): string | undefined {
  let content: unknown;
  try {
    content = parse(text);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    return `error unmarshaling YAML: ${error.message.split("\n")[0]}`;
  }
  if (content === null || content === undefined) return undefined;
  if (typeof content !== "object" || Array.isArray(content)) {
    return "the configuration file must be a mapping of flags to values";
  }
  for (const [key, value] of Object.entries(content)) {
    const section = sections[key];
    const problem =
      section === undefined ? set(key, value, values) : setAll(section, key, value, values);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function setAll(
  section: Section,
  name: string,
  value: unknown,
  values: FlagValues,
): string | undefined {
  if (value === null) return undefined;
  if (typeof value !== "object") return `${name} must be a mapping`;
  for (const [key, entry] of Object.entries(value)) {
    const flag = section[key];
    const problem =
      flag === undefined
        ? undefined
        : typeof flag === "string"
          ? set(flag, entry, values)
          : setAll(flag, `${name}.${key}`, entry, values);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function set(name: string, value: unknown, values: FlagValues): string | undefined {
  const spec = flagTable.get(name);
  if (spec === undefined || spec.type === "forgotten" || name === "config-file") return undefined;
  if (value === null || value === undefined) return undefined;
  const text = textOf(value, spec.type === "duration");
  const problem =
    text === undefined ? "a value of this kind is not understood" : values.set(spec, text);
  return problem === undefined ? undefined : `invalid value for ${name} in the file: ${problem}`;
}

/** As one would type it on a command line; undefined for what has no such form. */
function textOf(value: unknown, isDuration: boolean): string | undefined {
  if (typeof value === "number") return isDuration ? `${value}ns` : String(value);
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return value;
  const isList = Array.isArray(value) && value.every((v) => typeof v === "string");
  return isList ? value.join(",") : undefined;
}

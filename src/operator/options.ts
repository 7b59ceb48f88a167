/** Command line of `quoin operator`. */
import { parseArgs } from "node:util";

export interface OperatorOptions {
  /** Empty: all namespaces. */
  readonly watchNamespaces: readonly string[];
  readonly leaderElect: boolean;
  readonly leaderElectionNamespace: string;
  /** Name of the Lease; operators of the same namespace that serve others need another one. */
  readonly leaderElectionName: string;
  readonly metricsBindAddress: string;
  readonly healthProbeBindAddress: string;
  /** Empty: $KUBECONFIG, the service account, ~/.kube/config, in this order. */
  readonly kubeconfig: string;
  /** Image of members whose cluster names none. */
  readonly serverImage: string;
  /** Of new clusters whose spec.tls says nothing. */
  readonly defaultTls: "Operator" | "Disabled";
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly workers: number;
  /** Unique per process. */
  readonly identity: string;
  /** Do not serve: say whether an operator of these options is at work. */
  readonly check: boolean;
}

export const usage = `usage: quoin operator [flags]

  --watch-namespaces=a,b            namespaces to serve (default: all)
  --leader-elect=true|false         one active operator of several (default true)
  --leader-election-namespace=NS    where the Lease lies (default $POD_NAMESPACE or quoin-system)
  --leader-election-name=NAME       the Lease's name (default quoin-operator)
  --metrics-bind-address=:8080      Prometheus metrics
  --health-probe-bind-address=:8081 /healthz and /readyz
  --kubeconfig=FILE                 default: $KUBECONFIG, then the service account
  --server-image=IMAGE              image of members (default $QUOIN_SERVER_IMAGE or quoin:dev)
  --default-tls=Operator|Disabled   TLS of new clusters whose spec.tls says nothing: by an authority
                                    of their own, or none (default Operator)
  --workers=4                       clusters worked on at the same time
  --log-level=debug|info|warn|error (default info)
  --check                           do not serve: say whether the resources are served and an
                                    operator holds the Lease; exit code 0 or 1 (waits for a minute)
`;

/** Throws a TypeError that names the flag; "help" when help is asked for. */
export function parseOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): OperatorOptions | "help" {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: argv.map((a) => (a === "--leader-elect" ? "--leader-elect=true" : a)),
    options: {
      "watch-namespaces": text,
      "leader-elect": text,
      "leader-election-namespace": text,
      "leader-election-name": text,
      "metrics-bind-address": text,
      "health-probe-bind-address": text,
      kubeconfig: text,
      "server-image": text,
      "default-tls": text,
      workers: text,
      "log-level": text,
      check: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return "help";
  const workers = Number(values.workers ?? "4");
  if (!Number.isInteger(workers) || workers < 1 || workers > 64) {
    throw new TypeError(`set --workers between 1 and 64; it is ${JSON.stringify(values.workers)}`);
  }
  return {
    watchNamespaces: (values["watch-namespaces"] ?? env["WATCH_NAMESPACES"] ?? "")
      .split(",")
      .filter((n) => n !== ""),
    leaderElect: oneOf("leader-elect", values["leader-elect"] ?? "true", booleans) === "true",
    leaderElectionNamespace:
      values["leader-election-namespace"] ?? env["POD_NAMESPACE"] ?? "quoin-system",
    leaderElectionName: values["leader-election-name"] ?? "quoin-operator",
    metricsBindAddress: values["metrics-bind-address"] ?? ":8080",
    healthProbeBindAddress: values["health-probe-bind-address"] ?? ":8081",
    kubeconfig: values.kubeconfig ?? "",
    serverImage: values["server-image"] ?? env["QUOIN_SERVER_IMAGE"] ?? "quoin:dev",
    defaultTls: oneOf("default-tls", values["default-tls"] ?? "Operator", tlsModes),
    logLevel: oneOf("log-level", values["log-level"] ?? "info", levels),
    workers,
    identity: `${env["POD_NAME"] ?? env["HOSTNAME"] ?? "operator"}_${crypto.randomUUID()}`,
    check: values.check ?? false,
  };
}

const tlsModes = ["Operator", "Disabled"] as const;
const booleans = ["true", "false"] as const;
const levels = ["debug", "info", "warn", "error"] as const;

function oneOf<T extends string>(flag: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === value);
  if (found !== undefined) return found;
  throw new TypeError(`set --${flag} to one of ${allowed.join(", ")}; it is "${value}"`);
}

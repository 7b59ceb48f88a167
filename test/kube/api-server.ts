/**
 * A real kube-apiserver with its etcd and the controllers the operator leans on (StatefulSet, Job,
 * garbage collector, ...), on loopback, without nodes. The binaries are those e2e/tools/build.sh
 * has built; where they are missing the tests are skipped by name.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { KubeApi } from "../../src/operator/runtime/index.ts";
import { freePorts } from "../free-ports.ts";
import { Hopeless, until } from "../until.ts";

const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "quoin", "tools");

/** Kubernetes' newest release, and the oldest that is supported (docs/install.md). */
export type Release = "newest" | "oldest";

/** Which of e2e/tools holds a program. */
const toolOf = (name: string, release: Release): string => {
  if (name === "etcd" || name === "cert-manager") return name;
  return name === "kube-apiserver" && release === "oldest" ? "k8s-oldest" : "k8s";
};

/** Path of a built program, or undefined. The newest controllers serve the oldest API server too. */
export function findProgram(name: string, release: Release): string | undefined {
  if (!existsSync(cache)) return undefined;
  const folder = new RegExp(`^${toolOf(name, release)}-[0-9a-f]{16}$`);
  return readdirSync(cache)
    .filter((it) => folder.test(it))
    .map((it) => join(cache, it, name))
    .find((path) => existsSync(path));
}

/** Why tests cannot run; false when they can. */
export function missingTools(release: Release): string | false {
  const needed = ["etcd", "kube-apiserver", "kube-controller-manager"];
  const missing = needed.filter((name) => findProgram(name, release) === undefined);
  const tools = [...new Set(missing.map((name) => toolOf(name, release)))];
  return missing.length > 0 && `not built: bash e2e/tools/build.sh ${tools.join(" ")}`;
}

/** The names tokens stand for. */
export const admin = "admin-token";
export const operatorToken = "operator-token";
/** An operator's account without any right in the beginning. */
export const scopedToken = "scoped-token";

export interface ApiServer extends AsyncDisposable {
  readonly folder: string;
  /** A client with this bearer token. */
  api(token: string): KubeApi;
  kubeconfig(token: string): string;
  /** Stops the API server (not its etcd) and starts it again on the same port. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function startApiServer(release: Release): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), "quoin-api-"));
  const ports = (await freePorts(4)) as [number, number, number, number];
  const [etcdPort, peerPort, port, managerPort] = ports;
  writeKeys(folder);
  const children: ChildProcess[] = [];
  const run = (name: string, args: string[]): ChildProcess => {
    const log = openSync(join(folder, `${name}.log`), "a");
    const child = spawn(findProgram(name, release) ?? name, args, { stdio: ["ignore", log, log] });
    children.push(child);
    return child;
  };
  run("etcd", [
    `--data-dir=${folder}/etcd`,
    `--listen-client-urls=http://127.0.0.1:${etcdPort}`,
    `--advertise-client-urls=http://127.0.0.1:${etcdPort}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
    "--unsafe-no-fsync",
    "--log-level=error",
  ]);
  const kubeconfig = (token: string): string => {
    const path = join(folder, `${token}.kubeconfig`);
    writeFileSync(path, JSON.stringify(configOf(port, token)));
    return path;
  };
  const api = (token: string): KubeApi => {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig(token));
    return new KubeApi(config);
  };
  let server: ChildProcess;
  const start = async (): Promise<void> => {
    server = run("kube-apiserver", serverArgs(folder, etcdPort, port));
    const probe = api(admin);
    await until("the API server to answer", async () => {
      if (server.exitCode !== null) throw new Hopeless(`kube-apiserver ended, see ${folder}`);
      await probe.get(
        { group: "", apiVersion: "v1", kind: "Namespace", plural: "namespaces" },
        undefined,
        "default",
      );
      return true;
    });
  };
  await start();
  run("kube-controller-manager", [
    `--kubeconfig=${kubeconfig(admin)}`,
    "--controllers=statefulset-controller,job-controller,garbage-collector-controller,persistentvolumeclaim-protection-controller,serviceaccount-controller,disruption-controller",
    "--leader-elect=false",
    `--secure-port=${managerPort}`,
    `--cert-dir=${folder}/kcm`,
    "--bind-address=127.0.0.1",
    "--kube-api-qps=300",
    "--kube-api-burst=500",
  ]);
  return {
    folder,
    api,
    kubeconfig,
    start,
    stop: () => end(server),
    async [Symbol.asyncDispose]() {
      await Promise.all(children.reverse().map(end));
      if (!process.env["KEEP"]) rmSync(folder, { recursive: true, force: true });
    },
  };
}

function writeKeys(folder: string): void {
  mkdirSync(join(folder, "kcm"));
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  writeFileSync(join(folder, "sa.key"), privateKey);
  writeFileSync(join(folder, "sa.pub"), publicKey);
  const account = (namespace: string): string =>
    `system:serviceaccount:${namespace}:quoin-operator`;
  const groups = '"system:serviceaccounts,system:authenticated"';
  const lines = [
    `${admin},admin,1,system:masters`,
    `${operatorToken},${account("quoin-system")},2,${groups}`,
    `${scopedToken},${account("scoped")},3,${groups}`,
  ];
  writeFileSync(join(folder, "tokens.csv"), `${lines.join("\n")}\n`);
}

function serverArgs(folder: string, etcdPort: number, port: number): string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    `--secure-port=${port}`,
    `--cert-dir=${folder}/certs`,
    "--service-cluster-ip-range=10.96.0.0/16",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${folder}/sa.pub`,
    `--service-account-signing-key-file=${folder}/sa.key`,
    `--token-auth-file=${folder}/tokens.csv`,
    "--authorization-mode=RBAC",
    "--disable-admission-plugins=ServiceAccount",
    "--profiling=false",
  ];
}

const configOf = (port: number, token: string) => ({
  apiVersion: "v1",
  kind: "Config",
  clusters: [
    {
      name: "c",
      cluster: { server: `https://127.0.0.1:${port}`, "insecure-skip-tls-verify": true },
    },
  ],
  users: [{ name: "u", user: { token } }],
  contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
  "current-context": "x",
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await gone;
  clearTimeout(timer);
}

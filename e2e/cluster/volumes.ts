// The volumes of one node of the test cluster: makes `local` PersistentVolumes for claims that the
// scheduler placed here, and removes them when they are released. Runs in the node's namespaces, so
// a dead node's volumes are as unreachable as a dead machine's.
//
//   node volumes.ts API-SERVER PKI-FOLDER NODE-NAME
//
// A volume is a folder under /var/lib/volumes; with the StorageClass parameter `sized: "true"` it is
// an ext4 file system of the requested size in a file, which fills up as a real disk does.

import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { Agent, type RequestOptions, request } from "node:https";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";

const [server, pki, nodeName] = process.argv.slice(2) as [string, string, string];
const provisioner = "quoin.dev/local";
const volumesDir = "/var/lib/volumes";
const imagesDir = "/var/lib/volume-images";

interface Metadata {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  annotations?: Record<string, string>;
}
interface Claim {
  metadata: Metadata;
  spec: {
    storageClassName?: string;
    volumeName?: string;
    accessModes: string[];
    resources: { requests: { storage: string } };
  };
  status?: { phase?: string };
}
interface Volume {
  metadata: Metadata;
  spec: { persistentVolumeReclaimPolicy: string; local?: { path: string } };
  status?: { phase?: string };
}
interface StorageClass {
  provisioner: string;
  reclaimPolicy?: string;
  parameters?: Record<string, string>;
}

const tls = {
  ca: readFileSync(join(pki, "ca.crt")),
  cert: readFileSync(join(pki, "volumes.crt")),
  key: readFileSync(join(pki, "volumes.key")),
};
const agent = new Agent({ ...tls, keepAlive: true });

function send(method: string, path: string, body?: object) {
  const options: RequestOptions = {
    method,
    agent,
    ...(body && { headers: { "content-type": "application/json" } }),
  };
  return new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
    const req = request(new URL(path, server), options, resolve);
    req.on("error", reject);
    req.end(body && JSON.stringify(body));
  });
}

/** One call of the API; throws on a status that is neither success nor one of `accepted`. */
async function call<T>(method: string, path: string, body?: object, accepted: number[] = []) {
  const response = await send(method, path, body);
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  const status = response.statusCode ?? 0;
  if (status >= 300 && !accepted.includes(status)) throw new Error(`${method} ${path}: ${text}`);
  return JSON.parse(text) as T;
}

/** Calls `handle` for every object there is and for every change, for ever. */
async function follow<T extends { metadata: Metadata }>(
  path: string,
  handle: (object: T) => Promise<void>,
) {
  const tryToHandle = async (object: T) => {
    try {
      await handle(object);
    } catch (error) {
      console.error(`${object.metadata.name}: ${error}`);
    }
  };
  for (;;) {
    try {
      const list = await call<{ items: T[]; metadata: Metadata }>("GET", path);
      for (const item of list.items) await tryToHandle(item);
      const from = list.metadata.resourceVersion;
      const stream = await send(
        "GET",
        `${path}?watch=1&timeoutSeconds=300&resourceVersion=${from}`,
      );
      for await (const line of createInterface({ input: stream })) {
        const event = JSON.parse(line) as { type: string; object: T };
        if (event.type === "ERROR") break;
        if (event.type !== "DELETED") await tryToHandle(event.object);
      }
    } catch (error) {
      console.error(`${path}: ${error}; listing again`);
    }
    await wait(500);
  }
}

const units: Record<string, number> = {
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  K: 1e3,
  M: 1e6,
  G: 1e9,
};

function bytesOf(quantity: string): number {
  const [, number, unit] = /^([\d.]+)([KMG]i?)?$/.exec(quantity) ?? [];
  if (number === undefined) throw new Error(`cannot read the size "${quantity}"`);
  return Math.round(Number(number) * (unit ? (units[unit] ?? 1) : 1));
}

function makeFileSystem(name: string, bytes: number): void {
  const image = join(imagesDir, `${name}.img`);
  if (!existsSync(image)) {
    writeFileSync(image, "");
    truncateSync(image, bytes);
    execFileSync("mkfs.ext4", ["-q", "-m", "0", image]);
  }
  mountFileSystem(name);
}

function mountFileSystem(name: string): void {
  const target = join(volumesDir, name);
  mkdirSync(target, { recursive: true });
  execFileSync("mount", ["-o", "loop", join(imagesDir, `${name}.img`), target]);
}

async function provision(claim: Claim): Promise<void> {
  const { metadata, spec } = claim;
  const here = metadata.annotations?.["volume.kubernetes.io/selected-node"] === nodeName;
  if (!here || spec.volumeName || !spec.storageClassName) return;
  const classPath = `/apis/storage.k8s.io/v1/storageclasses/${spec.storageClassName}`;
  const storageClass = await call<StorageClass>("GET", classPath);
  if (storageClass.provisioner !== provisioner) return;

  const name = `pvc-${metadata.uid}`;
  const path = join(volumesDir, name);
  const size = spec.resources.requests.storage;
  if (!existsSync(path)) {
    if (storageClass.parameters?.["sized"] === "true") makeFileSystem(name, bytesOf(size));
    else mkdirSync(path, { recursive: true });
  }
  const onlyHere = {
    matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [nodeName] }],
  };
  const volume = {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name, annotations: { "pv.kubernetes.io/provisioned-by": provisioner } },
    spec: {
      capacity: { storage: size },
      accessModes: spec.accessModes,
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? "Delete",
      storageClassName: spec.storageClassName,
      local: { path },
      nodeAffinity: { required: { nodeSelectorTerms: [onlyHere] } },
      claimRef: {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        namespace: metadata.namespace,
        name: metadata.name,
        uid: metadata.uid,
      },
    },
  };
  await call("POST", "/api/v1/persistentvolumes", volume, [409]); // 409: it is there already
  console.log(`made ${name} for ${metadata.namespace}/${metadata.name} (${size})`);
}

async function reclaim(volume: Volume): Promise<void> {
  const { metadata, spec, status } = volume;
  const name = metadata.name;
  if (metadata.annotations?.["pv.kubernetes.io/provisioned-by"] !== provisioner) return;
  if (status?.phase !== "Released" || spec.persistentVolumeReclaimPolicy !== "Delete") return;
  if (!existsSync(join(volumesDir, name))) return; // another node's
  const image = join(imagesDir, `${name}.img`);
  if (existsSync(image)) execFileSync("umount", [join(volumesDir, name)]);
  rmSync(image, { force: true });
  rmSync(join(volumesDir, name), { recursive: true });
  await call("DELETE", `/api/v1/persistentvolumes/${name}`, undefined, [404]);
  console.log(`removed ${name}`);
}

mkdirSync(volumesDir, { recursive: true });
mkdirSync(imagesDir, { recursive: true });
// The node was off: what is mounted is gone, the files are not.
for (const image of readdirSync(imagesDir)) mountFileSystem(image.replace(/\.img$/, ""));
await Promise.all([
  follow<Claim>("/api/v1/persistentvolumeclaims", provision),
  follow<Volume>("/api/v1/persistentvolumes", reclaim),
]);

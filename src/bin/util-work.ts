// What etcdutl's commands do: storage and boot behind the command line's words. Composition root.

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { parseInitialCluster } from "../core/membership/index.ts";
import type { NewMember, UtilWork } from "../ctl/index.ts";
import {
  createClock,
  createDisk,
  createLogger,
  createRandom,
  noFaults,
  openFaults,
} from "../io/index.ts";
import { forceNew, initDataDir, inspectDataDir } from "../server/index.ts";
import { cloneRocksEngine, openRocksEngine } from "../storage/backend/index.ts";
import { snapshotHash } from "../storage/snapshot/index.ts";
import { crc32c } from "../storage/wal/index.ts";
import { snapshotFileWork } from "./snapshot-work.ts";

export function utilWork(env: NodeJS.ProcessEnv): UtilWork {
  const disk = createDisk();
  const logger = createLogger();
  const random = createRandom();
  const sha1 = (bytes: Uint8Array) => createHash("sha1").update(bytes).digest();
  const openEngineReadOnly = (dir: string) => openRocksEngine(dir, { readOnly: true });
  const readOnly = { disk, logger, faults: noFaults, clock: createClock(), openEngineReadOnly };
  return {
    inspect: (dataDir) => inspectDataDir(dataDir, readOnly),
    forceNew: async (options) =>
      forceNew(options, {
        ...readOnly,
        random,
        faults: await openFaults({ env, random, logger }),
        openEngine: openRocksEngine,
        cloneEngine: cloneRocksEngine,
        sha1,
        crc32c,
      }),
    ...snapshotFileWork(),
    hash: (path, revision, onProgress) =>
      snapshotHash(disk, path, {
        revision,
        progress: (_, done, total) => onProgress(`reading ${basename(path)}`, done, total),
      }),
    init: async (member: NewMember) => {
      const cluster = parseInitialCluster(member.initialCluster);
      if (!cluster.ok) throw new Error(cluster.error);
      const urls = (cluster.value.get(member.name) ?? []).map((url) => url.text);
      const given = [...member.peerUrls].sort();
      if (urls.join(",") !== given.join(",")) {
        throw new Error(
          `--initial-cluster has ${member.name}=${urls.join(",")} but --initial-advertise-peer-urls is ${given.join(",")}; make them equal`,
        );
      }
      await initDataDir(
        {
          name: member.name,
          dataDir: member.dataDir,
          initialCluster: cluster.value,
          initialClusterToken: member.initialClusterToken,
          maxLearners: 1,
        },
        {
          disk,
          logger,
          faults: noFaults,
          clock: createClock(),
          sha1,
        },
      );
    },
  };
}

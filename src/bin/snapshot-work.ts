// What `snapshot status` and `snapshot restore` do, for etcdutl and etcdctl: storage behind the
// command line's words.

import { basename } from "node:path";
import type { SnapshotFileWork } from "../ctl/index.ts";
import { createDisk, createLogger, noFaults } from "../io/index.ts";
import { openRocksEngine } from "../storage/backend/index.ts";
import { restoreSnapshot, type SnapshotPhase, snapshotStatus } from "../storage/snapshot/index.ts";

export function snapshotFileWork(): SnapshotFileWork {
  const disk = createDisk();
  const logger = createLogger({ format: "console" });
  return {
    status: (path, onProgress) =>
      snapshotStatus(disk, path, {
        progress: (_, done, total) => onProgress(`reading ${basename(path)}`, done, total),
      }),
    restore: async ({ walDir, ...rest }, onProgress, signal) => {
      const words: Record<SnapshotPhase, string> = { checking: "checking", reading: "restoring" };
      const { path } = rest;
      const { revision } = await restoreSnapshot({
        disk,
        logger,
        faults: noFaults,
        openEngine: openRocksEngine,
        ...rest,
        ...(walDir === undefined ? {} : { walDir }),
        signal,
        progress: (phase, done, total) => {
          onProgress(`${words[phase]} ${basename(path)}`, done, total);
        },
      });
      return revision;
    },
  };
}

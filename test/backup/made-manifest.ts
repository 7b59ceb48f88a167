// Manifests and artefacts for tests.

import { manifestKey } from "../../src/backup/keys.ts";
import { encodeManifest } from "../../src/backup/manifest.ts";
import type { Destination, Manifest } from "../../src/backup/types.ts";

export const lineage = "4f1c9d2e";
export const schedule = "shop/hourly";
export const prefix = "shop/orders/";

/** One of this time, milliseconds or RFC 3339; its artefact has `sizeBytes` bytes. */
export function madeManifest(time: string | number, change: Partial<Manifest> = {}): Manifest {
  const startMs = typeof time === "number" ? time : Date.parse(time);
  const startTime = new Date(startMs).toISOString();
  const stamp = startTime.replace(/[-:]|\.\d+/g, "");
  return {
    format: "quoin-backup/v1",
    key: `${prefix}${stamp}-${stamp.slice(-7, -1).padStart(8, "0")}.db.zst`,
    cluster: { namespace: "shop", name: "orders", clusterID: "cdf818194e3a8c32" },
    lineage,
    backup: "shop/hourly-1",
    schedule,
    compression: "zstd",
    sizeBytes: 3,
    sha256: "0".repeat(64),
    snapshotBytes: 20_512,
    revision: 7,
    compactRevision: 0,
    hashKV: 123,
    quoinVersion: "0.1.0",
    possiblyStale: false,
    startTime,
    completionTime: startTime,
    verified: { kind: "Checksum", time: startTime },
    ...change,
  };
}

/** Without its `verified`. */
export function unverified(manifest: Manifest): Manifest {
  const { verified: _, ...rest } = manifest;
  return rest;
}

/** Stores an artefact and its manifest. */
export async function store(destination: Destination, manifest: Manifest): Promise<void> {
  await destination.writeSmall(manifest.key, new Uint8Array(manifest.sizeBytes));
  await destination.writeSmall(manifestKey(manifest.key), encodeManifest(manifest));
}

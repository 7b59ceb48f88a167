/** Backup and restore Jobs: storages, manifests, what a Job does and what it reports. */

export {
  type DestinationOptions,
  destinationFlags,
  destinationFrom,
  type FlagValues,
  openDestination,
} from "./destination.ts";
export {
  type ArtifactName,
  artifactKey,
  artifactOfManifest,
  clusterPrefix,
  manifestKey,
  parseArtifactKey,
} from "./keys.ts";
export { encodeReport, isBackupErrorCode, parseJobReport, reportBytesMax } from "./report.ts";
export {
  BackupError,
  type BackupErrorCode,
  type Destination,
  type JobReport,
  type Manifest,
  type ObjectWriter,
  type StoredObject,
} from "./types.ts";

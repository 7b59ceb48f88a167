import { BackupError } from "./types.ts";

/** The name of a new object is taken. */
export const alreadyExists = (key: string): BackupError =>
  new BackupError(
    "AlreadyExists",
    `There is an object ${key} already, and it was left as it is. Run the backup again: each run has ` +
      "a key of its own.",
  );

/** There is no such object. */
export const artifactMissing = (key: string, uri: string): BackupError =>
  new BackupError(
    "ArtifactMissing",
    `There is no ${key} in ${uri}. Nothing was changed; see that the destination and the key are right.`,
  );

/** An object that is larger than anything a backup writes under such a key. */
export const tooLarge = (key: string, maxBytes: number): BackupError =>
  new BackupError(
    "InvalidSnapshot",
    `${key} has more than ${maxBytes} bytes, so it is not what a backup wrote there. It was left as it is.`,
  );

import { mvccpb, ProtoError } from "../../proto/index.ts";
import { useAnother } from "./bolt-reader.ts";
import { SnapshotError } from "./types.ts";

/** The value of a row of bucket `key`. Throws SnapshotError "corrupt" when it is none. */
export function keyValueOf(path: string, value: Uint8Array): mvccpb.KeyValue {
  try {
    return mvccpb.decodeKeyValue(value);
  } catch (error) {
    if (!(error instanceof ProtoError)) throw error;
    throw new SnapshotError("corrupt", `${path} is damaged: a row is no KeyValue. ${useAnother}`);
  }
}

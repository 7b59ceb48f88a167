/** Calls by what their clients say they speak. Source: etcd v3rpc/interceptor.go, metrics.go. */
import type { Metadata } from "./types.ts";

/** rpctypes.MetadataClientAPIVersionKey. */
const field = "client-api-version";
/** Clients may say anything: what comes behind so many versions is counted as "other". */
const versionsMax = 32;
const versionLength = 64;

export interface VersionCalls {
  readonly version: string;
  unary: number;
  stream: number;
}

export class ClientVersions {
  readonly #calls = new Map<string, VersionCalls>();

  count(isUnary: boolean, metadata: Metadata): void {
    const version = metadata.get(field) ?? "unknown";
    const calls = this.#calls.get(version) ?? this.#another(version);
    if (isUnary) calls.unary++;
    else calls.stream++;
  }

  all(): VersionCalls[] {
    return [...this.#calls.values()];
  }

  #another(version: string): VersionCalls {
    const isKept = this.#calls.size < versionsMax && version.length <= versionLength;
    const name = isKept ? version : "other";
    let calls = this.#calls.get(name);
    if (calls === undefined) {
      calls = { version: name, unary: 0, stream: 0 };
      this.#calls.set(name, calls);
    }
    return calls;
  }
}

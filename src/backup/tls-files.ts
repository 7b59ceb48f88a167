/** The certificates that members are asked with. */
import { readFileSync } from "node:fs";
import type { TlsOptions } from "../client/index.ts";
import type { TlsFiles } from "./options.ts";
import { BackupError } from "./types.ts";

/** Throws BackupError InvalidConfig, which names the flag and the file. */
export function readTlsFiles({ caFile, certFile, keyFile }: TlsFiles): TlsOptions {
  const ca = read("cacert", caFile);
  const cert = read("cert", certFile);
  const key = read("key", keyFile);
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}

function read(flag: string, file: string | undefined): Uint8Array | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file);
  } catch (error) {
    const problem = `cannot read --${flag}=${file}: ${(error as Error).message}`;
    throw new BackupError("InvalidConfig", `${problem}. Nothing was stored; see what is mounted.`);
  }
}

/** What etcdctl's TLS flags mean to a client (clientv3 newTLSConfig, transport.TLSInfo). */
import type { TlsOptions } from "../client/index.ts";
import { badArgs } from "./exit.ts";
import type { Flags } from "./flags.ts";

/**
 * Of the program's flags, or of make-mirror's `--dest-*`.
 * Undefined: no flag asks for TLS, so only https and unixs endpoints have it. Throws CommandError for files
 * that cannot be read.
 */
export function tlsOf(flags: Flags, prefix: "" | "dest-" = ""): TlsOptions | undefined {
  const [certFile, keyFile, caFile] = ["cert", "key", "cacert"].map((name) =>
    pathOf(flags, `${prefix}${name}`),
  );
  if ((certFile === "") !== (keyFile === "")) {
    throw badArgs(`KeyFile and CertFile must both be present[key: ${keyFile}, cert: ${certFile}]`);
  }
  const insecureSkipVerify = prefix === "" && flags.bool("insecure-skip-tls-verify");
  const [cert, key, ca] = [certFile, keyFile, caFile].map(read);
  checkPair(cert, key);
  const isAsked = cert ?? ca ?? (insecureSkipVerify || !flags.bool(`${prefix}insecure-transport`));
  if (isAsked === false) return undefined;
  return {
    insecureSkipVerify,
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
  };
}

/** Here, where it is still a matter of arguments; the first connection would be late. */
function checkPair(cert: Buffer | undefined, key: Buffer | undefined): void {
  if (cert === undefined || key === undefined) return;
  try {
    // Loaded here: most commands speak no TLS, and it is the heaviest part of Node.
    process.getBuiltinModule("node:tls").createSecureContext({ cert, key });
  } catch (error) {
    const { message } = error as Error;
    throw badArgs(
      /key values mismatch/.test(message)
        ? "tls: private key does not match public key"
        : `tls: ${message}`,
    );
  }
}

function pathOf(flags: Flags, name: string): string {
  const path = flags.string(name);
  if (path === "" && flags.changed(name)) {
    throw badArgs(`empty string is passed to --${name} option`);
  }
  return path;
}

function read(path: string | undefined): Buffer | undefined {
  if (path === undefined || path === "") return undefined;
  try {
    return process.getBuiltinModule("node:fs").readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw badArgs(code === "ENOENT" ? `open ${path}: no such file or directory` : message);
  }
}

import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type Client, RpcError } from "../../client/index.ts";
import type { Command, Invocation, Subcommand } from "../command.ts";
import { badArgs, CommandError, exitCode, messageOf } from "../exit.ts";
import { endpointsOf, openClient } from "../globals.ts";
import { interruptible } from "../interrupt.ts";
import { Progress } from "../progress.ts";
import { type LoadWork, snapshotFileCommands } from "./snapshot-file.ts";

const sha256Bytes = 32;
/** Of --write-out; what is said here is the same in all. */
const formats = new Set(["simple", "fields", "json", "protobuf", "table"]);

const interrupted = (message: string): CommandError =>
  new CommandError(exitCode.interrupted, message);

const save: Subcommand = {
  use: "save <filename>",
  short: "Stores an etcd node backend snapshot to a given file",
  run: async (invocation) => {
    const { args, flags, out } = invocation;
    if (args.length !== 1) throw badArgs("snapshot save expects one argument <filename>");
    const path = args[0] as string;
    if (!formats.has(flags.string("write-out"))) {
      throw new CommandError(exitCode.badFeature, "unsupported output format");
    }
    const endpoints = endpointsOf(flags);
    if (endpoints.length !== 1) {
      const list = `[${endpoints.join(" ")}]`;
      throw interrupted(`snapshot must be requested to one selected node, not multiple ${list}`);
    }
    const version = await interruptible((signal) => saveSnapshot(invocation, path, signal));
    out.text(`Snapshot saved at ${path}\n`);
    if (version !== "") out.text(`Server version ${version}\n`);
  },
};

/** Downloads to `<path>.part`, syncs, renames; returns the server's version, "" before 3.6. */
async function saveSnapshot(
  invocation: Invocation,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const part = `${path}.part`;
  let file: FileHandle;
  try {
    file = await open(part, "w", 0o600);
  } catch (error) {
    throw interrupted(`could not open ${part} (${messageOf(error)})`);
  }
  try {
    using client = openClient(invocation);
    const version = await download(client, file, invocation, signal);
    await file.sync();
    await file.close();
    await putInPlace(part, path);
    return version;
  } catch (error) {
    throw asInterrupted(error, part);
  } finally {
    await file.close().catch(() => undefined);
    await rm(part, { force: true });
  }
}

async function putInPlace(part: string, path: string): Promise<void> {
  try {
    await rename(part, path);
  } catch (error) {
    throw interrupted(`could not rename ${part} to ${path} (${messageOf(error)})`);
  }
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function asInterrupted(error: unknown, part: string): CommandError {
  if (error instanceof CommandError) return error;
  if ((error as { code?: unknown }).code === "ENOSPC") {
    return interrupted(
      `could not write snapshot (write ${part}: no space left on device). Nothing was left behind. ` +
        "Free space, or save to a larger volume",
    );
  }
  return interrupted(error instanceof RpcError ? error.message : messageOf(error));
}

/**
 * Writes the stream to the file, and checks the sha256 that the server sends behind it. Returns the
 * server's version.
 */
async function download(
  client: Client,
  file: FileHandle,
  { flags, out }: Invocation,
  signal: AbortSignal,
): Promise<string> {
  // Without a given deadline a large snapshot may take as long as it takes.
  const timeout = flags.changed("command-timeout")
    ? { timeoutMs: flags.duration("command-timeout") }
    : {};
  const progress = new Progress(out);
  const hash = new TrailingHash();
  let size = 0;
  let version = "";
  try {
    for await (const piece of client.maintenance.snapshot({ ...timeout, signal })) {
      await writeAll(file, piece.blob);
      hash.update(piece.blob);
      size += piece.blob.length;
      version = piece.version;
      progress.show("receiving", size, size + piece.remainingBytes);
    }
  } finally {
    progress.end();
  }
  // The file is whole pages of 512 bytes and the checksum behind them.
  if (size % 512 !== sha256Bytes) throw interrupted(`sha256 checksum not found [bytes: ${size}]`);
  if (!hash.matches()) {
    throw interrupted(
      "what was received does not match the sha256 that came with it. Nothing was left behind. " +
        "Save again; if it happens again, the network or this machine damages data",
    );
  }
  return version;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.byteLength) at += (await file.write(bytes, at)).bytesWritten;
}

/** SHA-256 of everything but the last 32 bytes, which should be it. */
class TrailingHash {
  readonly #hash = createHash("sha256");
  #tail: Buffer = Buffer.alloc(0);

  update(bytes: Uint8Array): void {
    if (bytes.byteLength >= sha256Bytes) {
      this.#hash.update(this.#tail).update(bytes.subarray(0, -sha256Bytes));
      this.#tail = Buffer.from(bytes.subarray(-sha256Bytes));
      return;
    }
    const joined = Buffer.concat([this.#tail, bytes]);
    const surplus = Math.max(0, joined.byteLength - sha256Bytes);
    this.#hash.update(joined.subarray(0, surplus));
    this.#tail = joined.subarray(surplus);
  }

  matches(): boolean {
    return this.#hash.digest().equals(this.#tail);
  }
}

/** `status` and `restore` are those of etcd 3.5 and before, where people still type them. */
export const snapshot = (load: LoadWork): Command => ({
  use: "snapshot <subcommand>",
  commands: [save, ...snapshotFileCommands(load, true)],
});

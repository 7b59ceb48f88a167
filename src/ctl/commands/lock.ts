import { type Client, Mutex, Session } from "../../client/index.ts";
import { runChild } from "../child.ts";
import type { Command, Invocation } from "../command.ts";
import { badArgs, CommandError, exitCode } from "../exit.ts";
import { withClient } from "../globals.ts";
import { untilSignal } from "../interrupt.ts";
import { printerOf } from "../print/index.ts";

export const lock: Command = {
  use: "lock <lockname> [exec-command arg1 arg2 ...]",
  flags: [
    {
      name: "ttl",
      type: "int64",
      default: "10",
      usage: "seconds that the lock outlives a holder that has gone silent",
    },
  ],
  run: async (invocation) => {
    const { args } = invocation;
    const [name, ...command] = args;
    if (name === undefined) {
      throw badArgs("lock takes a lock name argument and an optional command to execute");
    }
    printerOf(invocation);
    await withClient(invocation, (client) => hold(client, name, command, invocation));
  },
};

async function hold(
  client: Client,
  name: string,
  command: readonly string[],
  { flags, env, ...invocation }: Invocation,
): Promise<void> {
  const ttl = Number(flags.int64("ttl"));
  const session = await Session.open(client, ttl > 0 ? ttl : 60);
  const mutex = new Mutex(session, name);
  using stop = untilSignal();
  const revision = await mutex.lock(stop.signal);
  const [file, ...args] = command;
  if (file !== undefined) {
    const held = { ETCD_LOCK_KEY: mutex.key, ETCD_LOCK_REV: String(revision) };
    const { code, text } = await runChild([file, ...args], { ...held, ...env });
    await mutex.unlock();
    if (code !== 0) throw new CommandError(code, text);
    return;
  }
  const answer = await client.kv.get(mutex.key);
  if (answer.kvs.length === 0) throw new CommandError(exitCode.error, "lock lost on init");
  printerOf({ flags, env, ...invocation }).get(answer, false);
  await Promise.race([stop.stopped, aborted(session.ended)]);
  if (!stop.signal.aborted) throw new CommandError(exitCode.error, "session expired");
  await mutex.unlock();
}

/** Resolves when the signal aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

import { type Client, Mirror, toBytes } from "../../client/index.ts";
import { type mvccpb, rpcpb } from "../../proto/client/index.ts";
import type { Command, Invocation } from "../command.ts";
import { badArgs } from "../exit.ts";
import type { FlagSpec } from "../flags.ts";
import { openClient, withClient } from "../globals.ts";
import type { Output } from "../output.ts";
import { printerOf } from "../print/index.ts";
import { Progress } from "../progress.ts";

/** How often the number of copied keys is told. */
const tellEveryMs = 30_000;

const string = (name: string, usage: string): FlagSpec => ({
  name,
  type: "string",
  default: "",
  usage,
});

export const makeMirror: Command = {
  use: "make-mirror [options] <destination>",
  flags: [
    string("prefix", "only keys with this prefix"),
    {
      name: "rev",
      type: "int64",
      default: "0",
      usage: "only changes from this revision on; what was before is not copied",
    },
    {
      name: "max-txn-ops",
      type: "uint64",
      default: "128",
      usage: "most changes that the destination is sent in one transaction",
    },
    string("dest-prefix", "prefix at the destination instead of --prefix"),
    { name: "no-dest-prefix", type: "bool", default: "false", usage: "take --prefix off the keys" },
    string("dest-cert", "client certificate file for the destination"),
    string("dest-key", "client key file for the destination"),
    string("dest-cacert", "file with the CA that the destination must be signed by"),
    {
      name: "dest-insecure-transport",
      type: "bool",
      default: "true",
      usage: "no TLS where the destination does not say https",
    },
    string("dest-user", "name[:password] at the destination"),
    string("dest-password", "password of --dest-user"),
  ],
  run: async (invocation) => {
    const { args, flags } = invocation;
    const [destination] = args;
    if (destination === undefined || args.length !== 1) {
      throw badArgs("make-mirror takes one destination argument");
    }
    using target = openClient(invocation, [destination], "dest-");
    printerOf(invocation);
    if (flags.bool("no-dest-prefix") && flags.string("dest-prefix") !== "") {
      throw badArgs(
        "`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one",
      );
    }
    await withClient(invocation, (source) => copy(source, target, invocation));
  },
};

/** Copies until something fails: it has no other end. */
async function copy(source: Client, target: Client, { flags, out }: Invocation): Promise<void> {
  const prefix = flags.string("prefix");
  const ownPrefix = flags.string("dest-prefix");
  const since = Math.max(Number(flags.int64("rev")) - 1, 0);
  // With --rev etcdctl takes --dest-prefix as it is, also when it is empty.
  const keepsPrefix = since === 0 && !flags.bool("no-dest-prefix") && ownPrefix === "";
  const renamed = keyRenamer(prefix, keepsPrefix ? prefix : ownPrefix);
  const opsMax = Number(flags.uint64("max-txn-ops"));
  const told = new Told(out);
  const timer = setInterval(() => told.tell(), tellEveryMs);
  try {
    const mirror = new Mirror(source, prefix, since);
    if (since === 0) {
      for await (const kvs of mirror.base()) {
        for (const { key, value } of kvs) {
          await target.kv.put(renamed(key), value);
          told.add(1);
        }
      }
    }
    for await (const { events } of mirror.updates()) {
      for (const batch of batches(events, opsMax)) {
        await target.kv.txn({ success: batch.map((event) => operation(event, renamed)) });
        told.add(batch.length);
      }
    }
  } finally {
    clearInterval(timer);
    told.end();
  }
}

/** The first occurrence of the one prefix in a key becomes the other, byte for byte. */
function keyRenamer(from: string, to: string): (key: Uint8Array) => Uint8Array {
  const [before, after] = [toBytes(from), toBytes(to)];
  return (key) => Buffer.concat([after, key.subarray(before.length)]);
}

/** One revision's changes are not mixed with another's: a transaction may write a key once. */
function* batches(events: readonly mvccpb.Event[], opsMax: number): Generator<mvccpb.Event[]> {
  let batch: mvccpb.Event[] = [];
  for (const event of events) {
    const first = batch[0]?.kv?.modRevision;
    const isNext = first !== undefined && (event.kv?.modRevision ?? 0) > first;
    if (batch.length > 0 && (isNext || batch.length === opsMax)) {
      yield batch;
      batch = [];
    }
    batch.push(event);
  }
  if (batch.length > 0) yield batch;
}

function operation(
  { type, kv }: mvccpb.Event,
  renamed: (key: Uint8Array) => Uint8Array,
): rpcpb.RequestOp {
  const key = renamed(kv?.key ?? Buffer.alloc(0));
  if (type === 1) {
    return rpcpb.newRequestOp({ requestDeleteRange: rpcpb.newDeleteRangeRequest({ key }) });
  }
  const value = kv?.value ?? Buffer.alloc(0);
  return rpcpb.newRequestOp({ requestPut: rpcpb.newPutRequest({ key, value }) });
}

/** How many keys were copied: a number on stdout now and then, a line on a terminal all the time. */
class Told {
  readonly #out: Output;
  readonly #progress: Progress;
  #total = 0;

  constructor(out: Output) {
    this.#out = out;
    this.#progress = new Progress(out);
  }

  add(count: number): void {
    this.#total += count;
    this.#progress.count("mirroring", this.#total, "keys");
  }

  tell(): void {
    this.#progress.end();
    this.#out.text(`${this.#total}\n`);
  }

  end(): void {
    this.#progress.end();
  }
}

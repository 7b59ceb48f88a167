// One server of each kind for all questions of a file; each question is asked of both, and the answers
// must be equal.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Client } from "../../../src/client/index.ts";
import { etcd, type Member, quoin } from "../../process/member.ts";
import { Server } from "../edges/pair.ts";
import { Tape } from "./tape.ts";

/** One of the two servers, as a question sees it. */
export interface Asked {
  readonly client: Client;
  readonly member: Member;
  /** The revision when the question began. */
  readonly base: number;
  /** A watch stream; closed with the question. */
  tape(): Promise<Tape>;
}

export type Question = (server: Asked) => Promise<unknown>;

const oracle = etcd();
export const skip = oracle === undefined ? "real etcd needs Go to build" : false;

/** Starts the two with these flags and returns how to ask. */
export function pairOf(flags: readonly string[] = []): (name: string, ask: Question) => void {
  const servers: Server[] = [];
  before(async () => {
    if (oracle === undefined) return;
    for (const program of [oracle, quoin]) servers.push(await Server.start(program, flags));
  });
  after(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
  });
  return (name, ask) => {
    test(name, { skip }, async () => {
      // The next question finds both at rest, also when one has failed.
      const answers = await Promise.allSettled(servers.map((server) => answer(server, ask)));
      const [theirs, ours] = answers.map((a) => {
        if (a.status === "rejected") throw a.reason;
        return a.value;
      });
      assert.deepEqual(ours, theirs);
    });
  };
}

async function answer({ member }: Server, ask: Question): Promise<unknown> {
  const client = member.client();
  const tapes: Tape[] = [];
  try {
    const base = (await client.kv.get("base")).header?.revision ?? 0;
    const tape = async (): Promise<Tape> => {
      const opened = await Tape.open(client, base);
      tapes.push(opened);
      return opened;
    };
    return await ask({ client, member, base, tape });
  } finally {
    for (const tape of tapes) tape[Symbol.dispose]();
    client.close();
  }
}

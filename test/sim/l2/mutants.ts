import { type CoreMutant, mutatedCopy } from "../mutants.ts";
import type { ServerRoom } from "./cluster.ts";

/** A mistake anywhere below src/server, with a seed that is known to kill it. */
export interface ServerMutant extends Omit<CoreMutant, "seed"> {
  readonly seed: string;
}

/** Mistakes in server, storage and core that only a world of full members can show. */
export const serverMutants: readonly ServerMutant[] = [
  {
    name: "reply-before-fsync",
    seed: "mutant/0",
    breaks: "what is acknowledged survives a crash (STORE 1)",
    file: "server/raft-loop.ts",
    find: "    return this.#o.wal.save(rd.hardState, rd.entries, alone);",
    put: "    this.#o.wal.save(rd.hardState, rd.entries, false).catch(() => {});\n    return Promise.resolve();",
  },
  {
    name: "failed-fsync-is-good-enough",
    seed: "disk/mutant/0",
    breaks: "a member whose log's sync fails stops, and acknowledges nothing more (STORE 1)",
    file: "server/raft-loop.ts",
    find: "        this.#stopped = true;\n        this.#o.onFatal(error as Error);\n      },\n    );",
    put: "        saving.done = true;\n        this.#report();\n        this.pump();\n      },\n    );",
  },
  {
    name: "apply-above-local-log",
    seed: "mutant/3",
    breaks: "only what is durable here is applied (STORE 1)",
    file: "core/raft/log.ts",
    find: "return asIndex(Math.min(this.#committed, this.#stable));",
    put: "return this.#committed;",
  },
  {
    name: "applied-index-a-batch-late",
    seed: "mutant/0",
    breaks: "the applied index is in the batch of the rows it stands for (STORE 3)",
    file: "storage/backend/write-behind.ts",
    find: "of encodeMeta(unit.meta)) {",
    put: "of encodeMeta(this.#writtenMeta)) {",
  },
  {
    name: "cut-log-above-fence",
    seed: "mutant/0",
    breaks: "the log is cut only below what the engine has flushed (STORE 2)",
    file: "server/snapshots.ts",
    find: "const fence = await state.backend.fence();",
    put: "const fence = state.backend.meta.appliedIndex;",
  },
  {
    name: "install-without-rows",
    seed: "mutant/4",
    breaks: "an installed snapshot brings its rows (STORE 6)",
    file: "server/boot.ts",
    find: "  await importSnapshot(p.disk, path, engine);\n",
    put: "",
  },
  {
    name: "append-overtakes-install",
    seed: "6012",
    breaks: "entries reach the log in their order, also behind an install (STORE 6)",
    file: "server/raft-loop.ts",
    find: "this.#installing + this.#waiting > 0 &&",
    put: "this.#installing > 0 &&",
  },
  {
    name: "boot-corrects-the-commit-in-silence",
    seed: "20037",
    breaks: "the log's newest marker counts before what it replaces goes (STORE 2)",
    file: "server/boot.ts",
    find: "    hardState,\n    confState: confState",
    put: "    hardState: { ...hardState, commit: Math.max(hardState.commit, appliedIndex) },\n    confState: confState",
  },
  {
    name: "read-without-read-index",
    seed: "mutant/0",
    breaks: "a linearizable read asks a quorum (thesis 6.4)",
    file: "server/read-turns.ts",
    find: "if (serializable) attempt();",
    put: "if (serializable || !serializable) attempt();",
  },
  {
    name: "catch-up-drops-an-event",
    seed: "mutant/4",
    breaks: "a watch is reliable: no event is left out",
    file: "core/mvcc/watch-hub.ts",
    find: "      events.push(event);",
    put: "      if (events.length !== 1) events.push(event);",
  },
  {
    name: "renewal-without-effect",
    seed: "mutant/4",
    breaks: "no lease expires early",
    file: "core/lease/lessor.ts",
    find: '    this.#expireAt(lease, nowMs + lease.ttl * secondMs);\n    return { kind: "renewed"',
    put: '    return { kind: "renewed"',
  },
];

const folders = ["lib", "core", "proto", "ports", "storage", "server"];

/** A copy of src/server and what it stands on, with one mistake in it. */
export async function mutatedServer(
  mutant: ServerMutant,
): Promise<{ room: ServerRoom; dispose: () => void }> {
  const copy = mutatedCopy(mutant, folders);
  const room = (await import(copy.urlOf("server/index.ts"))) as ServerRoom;
  return { room, dispose: copy.dispose };
}

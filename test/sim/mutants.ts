import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DriverMutant, RaftRoom } from "./l1/member.ts";

/** One deliberate mistake inside src/core/raft: a source text that occurs once, and its twin. */
export interface CoreMutant {
  readonly name: string;
  /** The rule that it breaks. */
  readonly breaks: string;
  /** A seed that is known to kill it, tried first: some need rare circumstances. */
  readonly seed?: number;
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

/** Mistakes of the member around the core. */
export const driverMutants: readonly { name: DriverMutant; breaks: string; seed?: number }[] = [
  { name: "skip-fsync", breaks: "what is acknowledged survives a crash" },
  { name: "forget-vote", breaks: "one vote per term, also across restarts", seed: 35 },
  { name: "ack-before-durable", breaks: "votes and acknowledgements wait for the fsync" },
  { name: "snapshot-before-install", breaks: "a snapshot is installed before entries behind it" },
  { name: "cut-above-fence", breaks: "the log is cut only below what the engine has flushed" },
];

export const coreMutants: readonly CoreMutant[] = [
  {
    name: "vote-twice",
    breaks: "one vote per term (paper 5.2)",
    file: "election.ts",
    find: "r.vote === m.from ||",
    put: "true ||",
  },
  {
    name: "vote-for-stale-log",
    breaks: "only a candidate with all committed entries is elected (paper 5.4.1)",
    file: "election.ts",
    find: "canVote && r.log.isUpToDate(m.index, m.logTerm)",
    put: "canVote",
  },
  {
    name: "commit-old-term-by-counting",
    breaks: "entries of earlier terms commit only under one of our own (paper 5.4.2)",
    file: "raft.ts",
    find: "if (index <= this.log.committed || !this.log.matches(index, this.term)) return false;",
    put: "if (index <= this.log.committed) return false;",
  },
  {
    name: "apply-before-local-fsync",
    breaks: "only what is durable here is applied (STORE.md 1)",
    file: "log.ts",
    find: "return asIndex(Math.min(this.#committed, this.#stable));",
    put: "return this.#committed;",
  },
  {
    name: "append-response-at-once",
    breaks: "append acknowledgements wait for the fsync (STORE.md 1)",
    file: "raft.ts",
    find: "else this.afterAppend.push(m);",
    put: "else (m.type === MessageType.MsgAppResp ? this.messages : this.afterAppend).push(m);",
  },
  {
    name: "vote-at-once",
    breaks: "votes wait for the fsync (STORE.md 1)",
    file: "raft.ts",
    find: "else this.afterAppend.push(m);",
    put: "else (m.type === MessageType.MsgVoteResp ? this.messages : this.afterAppend).push(m);",
  },
  {
    name: "vote-request-at-once",
    breaks: "a candidate's own vote is durable before it asks for others (STORE.md 1)",
    file: "raft.ts",
    find: "else this.afterAppend.push(m);",
    put: "else (m.type === MessageType.MsgVote ? this.messages : this.afterAppend).push(m);",
  },
  {
    name: "leader-counts-itself-early",
    breaks: "the leader counts its own entries only when they are durable",
    file: "leader.ts",
    find: "maybeUpdate(r.log.stable)",
    put: "maybeUpdate(r.log.lastIndex)",
  },
  {
    name: "late-write-vouches-for-replaced-entries",
    breaks: "an old write that completes late says nothing about entries that took its place",
    file: "log.ts",
    find: "for (const claim of this.#claims) if (claim.last > last) claim.last = last;",
    put: "",
  },
  {
    name: "keep-conflicting-tail",
    breaks: "log matching: a conflicting tail is replaced (paper 5.3)",
    file: "log.ts",
    find: "this.#entries.length = length;",
    put: "this.#entries.length = Math.max(length, this.#entries.length - 1);",
  },
  {
    name: "append-without-looking-back",
    breaks: "log matching: the entry before must be equal (paper 5.3)",
    file: "log.ts",
    find: "if (!this.matches(prevIndex, prevTerm)) return undefined;",
    put: "if (prevIndex > this.lastIndex) return undefined;",
  },
  {
    name: "read-without-quorum",
    seed: 40,
    breaks: "a deposed leader must not serve reads (thesis 6.4)",
    file: "leader.ts",
    find: "r.reads.add(r.log.committed, m);",
    put: "return answerRead(r, m, r.log.committed);",
  },
  {
    name: "read-before-first-commit",
    breaks: "a new leader's commit index may be behind (thesis 6.4)",
    file: "leader.ts",
    find: "if (r.committedInTerm()) startRead(r, m);",
    put: "if (true) startRead(r, m);",
  },
  {
    name: "many-conf-changes",
    seed: 29,
    breaks: "one conf change at a time (thesis 4.1)",
    file: "leader.ts",
    find: 'if (r.pendingConfIndex > r.log.applied) return "confChangePending";',
    put: "",
  },
  {
    name: "half-of-joint-quorum",
    seed: 49,
    breaks: "a joint configuration needs both majorities (thesis 4.3)",
    file: "tracker.ts",
    find: "return Math.min(this.#matched(this.#incoming), this.#matched(this.#outgoing)) as Index;",
    put: "return this.#matched(this.#incoming) as Index;",
  },
  {
    name: "heartbeat-commits-unmatched",
    breaks: "a heartbeat tells no commit index beyond what the follower is known to have",
    file: "raft.ts",
    find: "m.commit = Math.min(pr.match, this.log.committed) as Index;",
    put: "m.commit = this.log.committed;",
  },
  {
    name: "deposed-leader-appends",
    seed: 471,
    breaks: "messages of earlier terms are void (paper 5.1)",
    file: "step.ts",
    find: "} else if (m.term < r.term && m.term !== 0) {",
    put: "} else if (m.term < r.term && m.term !== 0 && m.type !== MessageType.MsgApp) {",
  },
  {
    name: "minority-wins",
    breaks: "a quorum is more than half",
    file: "quorum.ts",
    find: "const needed = Math.floor(size / 2) + 1;",
    put: "const needed = Math.max(1, Math.floor(size / 2));",
  },
  {
    name: "ignore-rejections",
    breaks: "progress: a rejected append is tried again further back",
    file: "progress.ts",
    find: "if (this.next - 1 !== rejected) return false;",
    put: "return false;",
  },
  {
    name: "snapshot-failure-forgotten",
    breaks: "progress: after a failed snapshot replication goes on",
    file: "leader.ts",
    find: "  pr.becomeProbe();\n  pr.flowPaused = true;\n  r.trimLog();\n",
    put: "",
  },
];

/** A copy of the core with one mistake in it; `dispose` removes the files. */
export async function mutatedRoom(
  mutant: CoreMutant,
): Promise<{ room: RaftRoom; dispose: () => void }> {
  const file = `core/raft/${mutant.file}`;
  const copy = mutatedCopy({ ...mutant, file }, ["lib", "core"]);
  const room = (await import(copy.urlOf("core/raft/index.ts"))) as RaftRoom;
  return { room, dispose: copy.dispose };
}

/** Folders of src with one mistake in them. */
export function mutatedCopy(
  mutant: Pick<CoreMutant, "name" | "file" | "find" | "put">,
  folders: readonly string[],
): { urlOf: (file: string) => string; dispose: () => void } {
  const root = join(import.meta.dirname, "../..");
  const dir = mkdtempSync(join(tmpdir(), "quoin-mutant-"));
  const dispose = () => rmSync(dir, { recursive: true, force: true });
  writeFileSync(join(dir, "package.json"), '{"type":"module"}');
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  for (const f of folders) cpSync(join(root, "src", f), join(dir, f), { recursive: true });
  const path = join(dir, mutant.file);
  const parts = readFileSync(path, "utf8").split(mutant.find);
  if (parts.length !== 2) {
    dispose();
    const times = parts.length - 1;
    throw new Error(`mutant ${mutant.name}: its text occurs ${times} times in ${mutant.file}`);
  }
  writeFileSync(path, parts.join(mutant.put));
  return { urlOf: (file) => pathToFileURL(join(dir, file)).href, dispose };
}

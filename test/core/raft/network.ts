import {
  type Config,
  type Entry,
  EntryType,
  emptyBoot,
  type Message,
  RawNode,
  type Ready,
} from "../../../src/core/raft/index.ts";
import type { Index, MemberId, Term } from "../../../src/core/types.ts";
import { decodeConfChange } from "./story-text.ts";

export const idOf = (n: number): MemberId => BigInt(n) as MemberId;
export const at = (n: number): Index => n as Index;
export const termOf = (n: number): Term => n as Term;

/** A log with these terms, from index 1. */
export const logOf = (terms: readonly number[]): Entry[] =>
  terms.map((t, i) => ({
    term: termOf(t),
    index: at(i + 1),
    type: EntryType.Normal,
    data: new Uint8Array(0),
  }));

/** A member with this log; its disk knows the last term, and nothing is committed. */
export function member(
  id: number,
  voters: readonly number[],
  options: Partial<Config> & { terms?: readonly number[]; term?: number; vote?: number } = {},
): RawNode {
  const { terms = [], term = terms.at(-1) ?? 0, vote = 0, ...config } = options;
  return new RawNode({
    electionTicks: 10,
    heartbeatTicks: 1,
    preVote: false,
    checkQuorum: false,
    random: { below: () => 0 },
    decodeConfChange,
    ...config,
    id: idOf(id),
    boot: {
      ...emptyBoot,
      hardState: { term: termOf(term), vote: idOf(vote), commit: at(0) },
      confState: { ...emptyBoot.confState, voters: voters.map(idOf) },
      entries: logOf(terms),
    },
  });
}

/** A message with everything not given zero. */
export function message(m: Partial<Message> & Pick<Message, "type" | "from" | "to">): Message {
  return {
    term: termOf(0),
    logTerm: termOf(0),
    index: at(0),
    entries: [],
    commit: at(0),
    snapshot: undefined,
    reject: false,
    rejectHint: at(0),
    context: new Uint8Array(0),
    vote: idOf(0),
    committed: undefined,
    ...m,
  };
}

/** Takes all Readys, writes and applies them at once; returns what was sent. */
export function settle(node: RawNode, onReady: (r: Ready) => void = () => {}): Message[] {
  const sent: Message[] = [];
  while (node.hasReady()) {
    const r = node.ready();
    onReady(r);
    sent.push(...r.messages, ...r.afterAppend);
    node.appended(r);
    const last = r.committed.at(-1);
    if (last !== undefined) node.applied(last.index);
  }
  return sent;
}

/** Carries messages among members until all is quiet. */
export function exchange(
  nodes: readonly RawNode[],
  passes: (m: Message) => boolean = () => true,
): void {
  for (let moved = true; moved; ) {
    moved = false;
    for (const node of nodes) {
      for (const m of settle(node)) {
        const target = nodes.find((n) => n.id === m.to);
        if (target === undefined || !passes(m)) continue;
        moved = true;
        target.step(m);
      }
    }
  }
}

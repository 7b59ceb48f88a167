import type { Message, RawNode } from "../../../src/core/raft/index.ts";
import {
  ConfChangeTransition,
  ConfChangeType,
  type ConfState,
  type Entry,
  EntryType,
  MessageType,
} from "../../../src/core/raft/types.ts";
import type { Index, MemberId, Term } from "../../../src/core/types.ts";
import { SimNetwork } from "../ports/network.ts";
import type { World } from "../world.ts";
import { Checkers } from "./checkers.ts";
import { decodeProposal, encodeConfChange } from "./codec.ts";
import { emptyState, Member, type MemberHooks, type RaftRoom } from "./member.ts";
import type { Swarm } from "./swarm.ts";
import type { AppliedState, WalRecord } from "./wal.ts";

const messageNames = Object.fromEntries(Object.entries(MessageType).map(([k, v]) => [v, k]));
const idOf = (n: number): MemberId => BigInt(n) as MemberId;

/** A raft-only cluster: members, network and checkers, wired to each other. */
export class Cluster {
  readonly world: World;
  readonly swarm: Swarm;
  readonly members = new Map<number, Member>();
  readonly network: SimNetwork<Message>;
  readonly checkers: Checkers;
  calm = false;
  readonly #room: RaftRoom;
  readonly #byActor = new Map<unknown, Member>();
  readonly #hooks: MemberHooks;

  constructor(world: World, swarm: Swarm, room: RaftRoom) {
    this.world = world;
    this.swarm = swarm;
    this.#room = room;
    this.network = new SimNetwork(world, swarm.network);
    this.#hooks = this.#makeHooks();
    const founders = foundersOf(swarm);
    this.checkers = new Checkers(this.members, founders.committed);
    for (let id = 1; id <= swarm.voters; id++) this.#add(id, founders);
    world.check = (actor) => {
      const member = this.#byActor.get(actor);
      if (member === undefined) return;
      this.checkers.check(member);
      const node = member.node;
      world.mark(node === undefined ? -1 : node.term * 1000 + node.commitIndex);
    };
    for (const m of this.members.values()) this.start(m);
  }

  #add(id: number, start: { state: AppliedState; records: WalRecord[] }): Member {
    const member = new Member(this.world, this.#room, id, start, this.swarm.member, this.#hooks);
    if (this.swarm.faults.has("drift")) {
      member.actor.ratePpm = this.world.random.fork(`drift/${id}`).between(800_000, 1_250_000);
    }
    this.members.set(id, member);
    this.#byActor.set(member.actor, member);
    return member;
  }

  /** A new process with an empty disk, which waits to be taken in. */
  addMember(): Member | undefined {
    if (this.members.size >= 9) return undefined;
    const member = this.#add(this.members.size + 1, { state: emptyState, records: [] });
    this.start(member);
    return member;
  }

  start(m: Member): void {
    this.world.note(`start #${m.starts + 1}`, m.actor);
    this.network.attach(m.id, m.actor, (msg) => m.receive(msg));
    m.start();
    this.checkers.check(m);
  }

  crash(m: Member): void {
    this.world.note("crash", m.actor);
    this.network.detach(m.id);
    m.crash();
  }

  get list(): Member[] {
    return [...this.members.values()];
  }

  get running(): Member[] {
    return this.list.filter((m) => m.up);
  }

  /** The member that leads the latest term, if it is up. */
  leader(): Member | undefined {
    let best: Member | undefined;
    for (const m of this.running) {
      if (m.node?.isLeader && m.node.term > (best?.node?.term ?? 0)) best = m;
    }
    return best;
  }

  /** The newest configuration that anybody has applied. */
  configuration(): ConfState {
    let best: AppliedState = emptyState;
    for (const m of this.list) if (m.state.index > best.index) best = m.state;
    return best.confState;
  }

  #makeHooks(): MemberHooks {
    const snapshotLoss = this.swarm.faults.has("snapshotLoss");
    const random = this.world.random.fork("hooks");
    return {
      calm: () => this.calm,
      leaving: (m, msg) => this.checkers.leaving(m, freeze(msg)),
      received: (m, msg) => this.checkers.received(m, msg),
      ready: (m, ready) => this.checkers.ready(m, ready),
      send: (from, msg) => {
        const isSnapshot = msg.type === MessageType.MsgSnap;
        const extraUs = isSnapshot && !this.calm ? random.below(300_000) : 0;
        const to = Number(msg.to);
        const label = () => show(msg);
        const doomed = isSnapshot && snapshotLoss && !this.calm && random.chance(30);
        const sent = !doomed && this.network.send(from.id, to, msg, label, extraUs);
        this.#reports(from, msg, sent, extraUs, random.chance(70));
      },
      applied: (m, e, state) => {
        this.checkers.applied(m, e, state);
        this.#acknowledge(m, e);
      },
      read: (m, context, index) => this.checkers.readServed(m, context, index),
      removed: (m) => {
        // As an etcd server: it stops a little later, most of the time.
        // While everything must converge it stays: the others may need its vote to learn of it.
        if (this.calm || !random.chance(70)) return;
        this.world.after(100_000, m.actor, "stop after removal", () => {
          if (!this.calm) this.crash(m);
        });
      },
    };
  }

  /** The transport's word about lost messages; it is not always there. */
  #reports(from: Member, msg: Message, sent: boolean, delayUs: number, noticed: boolean): void {
    const to = msg.to;
    const report = (f: (node: RawNode) => void, label: string) =>
      this.world.after(delayUs + 1_000, from.actor, label, () => {
        if (from.node !== undefined) f(from.node);
        from.pump();
      });
    if (msg.type === MessageType.MsgSnap) {
      report((node) => node.reportSnapshot(to, sent), `snapshot ${sent ? "sent" : "failed"}`);
    } else if (!sent && noticed && msg.type === MessageType.MsgApp) {
      report((node) => node.reportUnreachable(to), "unreachable");
    }
  }

  #acknowledge(m: Member, e: Entry): void {
    if (e.type !== EntryType.Normal) return;
    if (m.pending.delete(decodeProposal(e.data))) this.checkers.writeAcknowledged(e.index);
  }
}

/** How a cluster begins: etcd's way, conf change entries that are committed, or a snapshot. */
function foundersOf(swarm: Swarm): {
  state: AppliedState;
  records: WalRecord[];
  committed: number;
} {
  const ids = Array.from({ length: swarm.voters }, (_, i) => idOf(i + 1));
  const term = 1 as Term;
  const vote = 0n as MemberId;
  if (!swarm.bootstrapByEntries) {
    const confState = { ...emptyState.confState, voters: ids };
    const index = 1 as Index;
    const hard: WalRecord = { kind: "hard", hard: { term, vote, commit: index } };
    return { state: { index, term, hash: 7, confState }, records: [hard], committed: 1 };
  }
  const records: WalRecord[] = ids.map((nodeId, i) => ({
    kind: "entry",
    entry: {
      term,
      index: (i + 1) as Index,
      type: EntryType.ConfChange,
      data: encodeConfChange({
        transition: ConfChangeTransition.Auto,
        changes: [{ type: ConfChangeType.AddNode, nodeId }],
        context: new Uint8Array(0),
      }),
    },
  }));
  const commit = ids.length as Index;
  records.push({ kind: "hard", hard: { term, vote, commit } });
  return { state: emptyState, records, committed: commit };
}

/** Whoever writes a message that left makes the simulation fail at once. */
function freeze(m: Message): Message {
  Object.freeze(m.entries);
  for (const e of m.entries) Object.freeze(e);
  return Object.freeze(m);
}

/** One line for a message. */
export function show(m: Message): string {
  const parts = [`${messageNames[m.type]} ${m.from}>${m.to} term ${m.term}`];
  if (m.index > 0 || m.logTerm > 0) parts.push(`at ${m.index}/${m.logTerm}`);
  if (m.entries.length > 0) {
    parts.push(`entries [${m.entries[0]?.index}..${m.entries.at(-1)?.index}]`);
  }
  if (m.commit > 0) parts.push(`commit ${m.commit}`);
  if (m.reject) parts.push(`reject hint ${m.rejectHint}`);
  if (m.snapshot) parts.push(`snapshot ${m.snapshot.metadata.index}/${m.snapshot.metadata.term}`);
  if (m.context.length > 0) parts.push(`context ${Buffer.from(m.context).toString("hex")}`);
  return parts.join(" ");
}

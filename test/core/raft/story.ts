import {
  type Config,
  type ConfState,
  type Entry,
  EntryType,
  emptyBoot,
  type HardState,
  type Message,
  RawNode,
  type Ready,
} from "../../../src/core/raft/index.ts";
import type { Index, MemberId, Term } from "../../../src/core/types.ts";
import {
  decodeConfChange,
  encodeConfChange,
  idOf,
  names,
  parseOptions,
  show,
  showEntry,
  showMessage,
  showSnapshot,
  showValue,
  text,
} from "./story-text.ts";

/** A member of a story: RawNode and a disk whose writes complete when the story says so. */
interface Actor {
  node: RawNode;
  hard: HardState;
  conf: ConfState;
  base: { index: Index; term: Term };
  log: Entry[];
  applied: Index;
  /** Readys on their way to disk. */
  writing: Ready[];
  toApply: Entry[];
}

/**
 * Runs stories: lines of commands, each followed by what the cluster did. Time, disk and network
 * move only by command, so that a story can show any order of events.
 */
export class Story {
  readonly #actors = new Map<bigint, Actor>();
  #mail: Message[] = [];
  #out: string[] = [];
  #quiet = false;
  #options: Partial<Config> = {};
  /** What Random.below answers, for every member. */
  #luck = 0;

  /** Executes one command line and returns its output. */
  run(line: string): string {
    this.#out = [];
    const [verb = "", ...rest] = line.trim().split(/\s+/);
    const named = Object.fromEntries(
      rest.filter((a) => a.includes("=")).map((a) => a.split("=") as [string, string]),
    );
    const args = rest.filter((a) => !a.includes("="));
    this.#execute(verb, args, named);
    return this.#out.length === 0 ? "ok" : this.#out.join("\n");
  }

  #execute(verb: string, args: string[], named: Record<string, string>): void {
    const [who = "0", what = ""] = args;
    switch (verb) {
      case "options":
        this.#options = { ...this.#options, ...parseOptions(named) };
        return;
      case "luck":
        this.#luck = Number(who);
        return;
      case "cluster":
        this.#cluster(named);
        return;
      case "seed":
        this.#seedLog(idOf(who), what);
        return;
      case "join":
        for (const id of args) this.#boot(idOf(id), emptyBoot.confState, 0, 0);
        return;
      case "quiet":
        this.#quiet = who === "on";
        return;
      case "tick":
        for (let i = Number(what || 1); i > 0; i--) this.#actor(who).node.tick();
        return;
      case "campaign":
        this.#actor(who).node.campaign();
        return;
      case "propose":
        this.#say(show(this.#actor(who).node.propose(args.slice(1).map((s) => Buffer.from(s)))));
        return;
      case "conf-change": {
        const data = encodeConfChange(named["transition"], args.slice(1));
        const result = this.#actor(who).node.proposeConfChange(EntryType.ConfChangeV2, data);
        this.#say(show(result));
        return;
      }
      case "read":
        this.#say(this.#actor(who).node.readIndex(Buffer.from(what)));
        return;
      case "transfer":
        this.#actor(who).node.transferLeader(idOf(what));
        return;
      case "unreachable":
        this.#actor(who).node.reportUnreachable(idOf(what));
        return;
      case "snapshot-report":
        this.#actor(who).node.reportSnapshot(idOf(what), args[2] === "ok");
        return;
      case "compact":
        this.#actor(who).node.compactTo(Number(what) as Index);
        return;
      case "ready":
        this.#ready(idOf(who));
        return;
      case "disk":
        this.#disk(idOf(who));
        return;
      case "apply":
        this.#apply(idOf(who));
        return;
      case "deliver":
        for (const id of args) this.#deliver(idOf(id), named["from"]);
        return;
      case "drop":
        this.#drop(named);
        return;
      case "stabilize":
        this.#stabilize(args.map(idOf));
        return;
      case "restart":
        this.#restart(idOf(who));
        return;
      case "log":
        this.#say(this.#actor(who).log.map(showEntry).join("\n") || "empty");
        return;
      case "status":
        this.#status(idOf(who));
        return;
      default:
        throw new Error(`unknown command "${verb}"`);
    }
  }

  #say(line: string): void {
    if (!this.#quiet) this.#out.push(line);
  }

  #actor(id: string): Actor {
    const a = this.#actors.get(BigInt(id));
    if (a === undefined) throw new Error(`there is no member ${id}`);
    return a;
  }

  // --- members ---

  #cluster(named: Record<string, string>): void {
    const ids = (s: string | undefined) => (s ? s.split(",").map(idOf) : []);
    const conf: ConfState = {
      voters: ids(named["voters"]),
      learners: ids(named["learners"]),
      votersOutgoing: ids(named["outgoing"]),
      learnersNext: [],
      autoLeave: false,
    };
    const all = new Set([...conf.voters, ...conf.learners, ...conf.votersOutgoing]);
    for (const id of all)
      this.#boot(id, conf, Number(named["index"] ?? 0), Number(named["term"] ?? 0));
  }

  /** Gives a member a log whose entries have these terms. */
  #seedLog(id: MemberId, terms: string): void {
    const a = this.#actor(String(id));
    a.log = terms.split(",").map((t, i) => ({
      term: Number(t) as Term,
      index: (a.base.index + i + 1) as Index,
      type: EntryType.Normal,
      data: new Uint8Array(0),
    }));
    a.hard = { ...a.hard, term: (a.log.at(-1) as Entry).term };
    a.node = this.#newNode(id, a);
  }

  #boot(id: MemberId, conf: ConfState, index: number, term: number): void {
    const a = {
      hard: { term: term as Term, vote: 0n as MemberId, commit: index as Index },
      conf,
      base: { index: index as Index, term: term as Term },
      log: [] as Entry[],
      applied: index as Index,
      writing: [],
      toApply: [],
    };
    this.#actors.set(id, { ...a, node: this.#newNode(id, a) });
  }

  #newNode(id: MemberId, a: Omit<Actor, "node">): RawNode {
    return new RawNode({
      electionTicks: 3,
      heartbeatTicks: 1,
      ...this.#options,
      id,
      random: { below: (n) => this.#luck % n },
      decodeConfChange,
      log: (msg, { member, term, ...fields }) => {
        const more = Object.entries(fields).map(([k, v]) => `${k} ${showValue(v)}`);
        this.#say(`  ${member}: ${[msg, `term ${term}`, ...more].join(", ")}`);
      },
      boot: {
        hardState: a.hard,
        confState: a.conf,
        base: a.base,
        entries: [...a.log],
        applied: a.applied,
      },
    });
  }

  /** The process dies; what was not on disk is gone. */
  #restart(id: MemberId): void {
    const a = this.#actor(String(id));
    a.writing = [];
    a.toApply = [];
    this.#mail = this.#mail.filter((m) => m.to !== id);
    a.node = this.#newNode(id, a);
  }

  // --- the ready loop, by hand ---

  #ready(id: MemberId): void {
    const a = this.#actor(String(id));
    if (!a.node.hasReady()) {
      this.#say(`${id} has nothing to do`);
      return;
    }
    const ready = a.node.ready();
    this.#say(`${id} ready${ready.mustSync ? " (sync)" : ""}`);
    if (ready.softState) this.#say(`  ${ready.softState.state}, leader ${ready.softState.leader}`);
    if (ready.hardState) {
      const { term, vote, commit } = ready.hardState;
      this.#say(`  hard state: term ${term} vote ${vote} commit ${commit}`);
    }
    if (ready.snapshot) this.#say(`  snapshot ${showSnapshot(ready.snapshot.metadata)}`);
    for (const e of ready.entries) this.#say(`  append ${showEntry(e)}`);
    for (const e of ready.committed) this.#say(`  committed ${showEntry(e)}`);
    for (const r of ready.readStates) this.#say(`  read "${text(r.context)}" at ${r.index}`);
    for (const m of ready.messages) this.#say(`  send ${showMessage(m)}`);
    for (const m of ready.afterAppend) this.#say(`  after append ${showMessage(m)}`);
    this.#mail.push(...ready.messages);
    a.toApply.push(...ready.committed);
    a.writing.push(ready);
  }

  /** The oldest write completes. */
  #disk(id: MemberId): void {
    const a = this.#actor(String(id));
    const ready = a.writing.shift();
    if (ready === undefined) {
      this.#say(`${id} writes nothing`);
      return;
    }
    if (ready.snapshot) {
      const { index, term, confState } = ready.snapshot.metadata;
      a.base = { index, term };
      a.log = [];
      a.applied = index;
      a.conf = confState;
      a.toApply = a.toApply.filter((e) => e.index > index);
    }
    const first = ready.entries[0];
    if (first !== undefined) a.log.length = first.index - a.base.index - 1;
    a.log.push(...ready.entries);
    if (ready.hardState) a.hard = ready.hardState;
    a.node.appended(ready);
    this.#mail.push(...ready.afterAppend);
  }

  #apply(id: MemberId): void {
    const a = this.#actor(String(id));
    for (const e of a.toApply.splice(0)) {
      if (e.type !== EntryType.Normal) {
        const cc = decodeConfChange(e.type, e.data);
        if (cc !== undefined) a.conf = a.node.applyConfChange(cc);
      }
      a.applied = e.index;
    }
    a.node.applied(a.applied);
  }

  #deliver(id: MemberId, from: string | undefined): void {
    const wanted = (m: Message) => m.to === id && (from === undefined || m.from === idOf(from));
    const mine = this.#mail.filter(wanted);
    this.#mail = this.#mail.filter((m) => !wanted(m));
    for (const m of mine) {
      this.#say(`deliver ${showMessage(m)}`);
      const result = this.#actor(String(id)).node.step(m);
      if (result !== "ok") this.#say(`  ${result}`);
    }
  }

  #drop(named: Record<string, string>): void {
    const { from, to, type } = named;
    const doomed = (m: Message) =>
      (from === undefined || m.from === idOf(from)) &&
      (to === undefined || m.to === idOf(to)) &&
      (type === undefined || names[m.type] === type);
    for (const m of this.#mail.filter(doomed)) this.#say(`dropped ${showMessage(m)}`);
    this.#mail = this.#mail.filter((m) => !doomed(m));
  }

  /** Until nothing moves among these members (all, if none is named). */
  #stabilize(ids: MemberId[]): void {
    const chosen = ids.length > 0 ? ids : ([...this.#actors.keys()] as MemberId[]);
    for (let moved = true; moved; ) {
      moved = false;
      for (const id of chosen) {
        const a = this.#actor(String(id));
        while (a.node.hasReady() || a.writing.length > 0 || a.toApply.length > 0) {
          moved = true;
          if (a.node.hasReady()) this.#ready(id);
          if (a.writing.length > 0) this.#disk(id);
          if (a.toApply.length > 0) this.#apply(id);
        }
      }
      for (const id of chosen) {
        const inside = (m: Message) => m.to === id && chosen.includes(m.from);
        if (!this.#mail.some(inside)) continue;
        moved = true;
        for (const from of chosen) this.#deliver(id, String(from));
      }
    }
  }

  #status(id: MemberId): void {
    const s = this.#actor(String(id)).node.status();
    this.#say(
      `${s.state}, term ${s.term}, leader ${s.leader}, commit ${s.commit}, applied ${s.applied}, log ${s.firstIndex}..${s.lastIndex} stable ${s.stableIndex}`,
    );
    for (const p of s.progress) {
      const marks = [
        p.learner && "learner",
        p.paused && "paused",
        !p.recentActive && "inactive",
        p.inflight > 0 && `inflight ${p.inflight}`,
        p.pendingSnapshot > 0 && `pending snapshot ${p.pendingSnapshot}`,
      ].filter((x) => x);
      this.#say(
        `  ${p.id}: ${p.state} match ${p.match} next ${p.next} ${marks.join(" ")}`.trimEnd(),
      );
    }
    if (s.leadTransferee !== 0n) this.#say(`  transferring to ${s.leadTransferee}`);
  }
}

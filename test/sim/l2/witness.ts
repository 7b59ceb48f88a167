/** The committed log as the witness of everything that members do and say. */
import { rpcpb } from "../../../src/proto/index.ts";
import { Violation, type World } from "../world.ts";
import { mismatch, type Outcome } from "./compare.ts";
import { type Expected, Model } from "./model.ts";

interface Entry {
  readonly identity: string;
  readonly expected: Expected;
  /** Of the key space once it is applied. */
  readonly revision: number;
}

interface Renewal {
  readonly ttlUs: number;
  fromUs: number;
}

/** Clocks may run slow by a tenth and more; a lease lives at least this share of its time. */
const leaseSharePercent = 85;

export class Witness {
  readonly model = new Model();
  readonly #world: World;
  readonly #entries = new Map<number, Entry>();
  #lastIndex = 0;
  readonly #hashes = new Map<string, { hash: number; by: string }>();
  readonly #leases = new Map<bigint, Renewal>();
  /** Leases that a client wanted to be revoked. */
  readonly revokedByClients = new Set<bigint>();
  /** The newest revision that any client has been told of. */
  floor = 1;
  elections = 0;
  readonly #leaders = new Map<number, string>();
  /** How often members said what in their logs: shows which ground a seed has covered. */
  readonly said = new Map<string, number>();
  writes = 0;
  reads = 0;
  events = 0;
  expired = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** A member has applied the request of an entry. `waited`: somebody waits for its answer. */
  applied(
    who: string,
    index: number,
    request: rpcpb.InternalRaftRequest,
    outcome: Outcome,
    waited: boolean,
  ): void {
    const identity = identityOf(request);
    let entry = this.#entries.get(index);
    if (entry === undefined) {
      if (index < this.#lastIndex) {
        fail(`${who} applies a request at ${index}, where the others have none`);
      }
      const expected = this.model.apply(request);
      entry = { identity, expected, revision: this.model.revision };
      this.#entries.set(index, entry);
      this.#lastIndex = index;
      this.#lease(request, expected);
      this.#world.mark(this.model.revision);
    } else if (entry.identity !== identity) {
      fail(`${who} applies another request at ${index} than was applied there before`);
    }
    const wrong = mismatch(outcome, entry.expected, waited);
    if (wrong !== undefined) fail(`${who}, entry ${index} (${kindOf(request)}): ${wrong}`);
  }

  /** A member's state is now that of this index. */
  reached(who: string, index: number, revision: number): void {
    let i = index;
    while (i > 0 && !this.#entries.has(i)) i--;
    const expected = this.#entries.get(i)?.revision ?? 1;
    if (revision !== expected) {
      fail(`${who} is at revision ${revision} with ${index} applied, expected ${expected}`);
    }
  }

  leads(who: string, term: number): void {
    const known = this.#leaders.get(term);
    if (known === who) return;
    if (known !== undefined) fail(`${known} and ${who} both lead term ${term}`);
    this.#leaders.set(term, who);
    this.elections++;
  }

  hashed(who: string, r: { hash: number; hashRevision: number; compactRevision: number }): void {
    const key = `${r.hashRevision}/${r.compactRevision}`;
    const known = this.#hashes.get(key);
    if (known === undefined) this.#hashes.set(key, { hash: r.hash, by: who });
    else if (known.hash !== r.hash) {
      fail(`${who} and ${known.by} hash revision ${key} differently: ${r.hash}, ${known.hash}`);
    }
  }

  /** A renewal was acknowledged that was asked for at `fromUs`. */
  renewed(id: bigint, fromUs: number): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined && fromUs > lease.fromUs) lease.fromUs = fromUs;
  }

  count(message: string): void {
    this.said.set(message, (this.said.get(message) ?? 0) + 1);
  }

  told(revision: number): void {
    if (revision > this.floor) this.floor = revision;
  }

  #lease(request: rpcpb.InternalRaftRequest, expected: Expected): void {
    if (expected.kind === "error") return;
    const now = this.#world.nowUs;
    if (request.leaseGrant !== undefined) {
      const { id, ttl } = request.leaseGrant;
      this.#leases.set(id, { ttlUs: ttl * 1_000_000, fromUs: now });
    } else if (request.leaseRevoke !== undefined) {
      const { id } = request.leaseRevoke;
      const lease = this.#leases.get(id);
      if (lease === undefined || this.revokedByClients.has(id)) return;
      this.expired++;
      const livedUs = now - lease.fromUs;
      if (livedUs * 100 < lease.ttlUs * leaseSharePercent) {
        fail(`lease ${id} of ${lease.ttlUs / 1e6} s was expired after ${livedUs / 1e6} s`);
      }
    }
  }
}

/** The request without its header: the proposer has it apart. */
const identityOf = (r: rpcpb.InternalRaftRequest): string =>
  Buffer.from(rpcpb.encodeInternalRaftRequest({ ...r, header: undefined })).toString("latin1");

export const kindOf = (r: rpcpb.InternalRaftRequest): string =>
  Object.entries(r).find(([k, v]) => k !== "header" && typeof v === "object" && v !== null)?.[0] ??
  "?";

function fail(message: string): never {
  throw new Violation(message);
}

import type { SimRandom } from "../random.ts";
import type { Actor, World } from "../world.ts";

/** How the links behave; percentages and microseconds. */
export interface NetworkFaults {
  lossPercent: number;
  duplicatePercent: number;
  delayMinUs: number;
  /** Mean of the delay beyond the minimum; it reorders messages. */
  delayMeanUs: number;
  /** Now and then a link holds messages back for a long while. */
  clogPercent: number;
  clogUs: number;
  /** Messages of one link keep their order, as on a stream; else delays reorder them. */
  fifo: boolean;
}

export const calmNetwork: Omit<NetworkFaults, "fifo"> = {
  lossPercent: 0,
  duplicatePercent: 0,
  delayMinUs: 200,
  delayMeanUs: 200,
  clogPercent: 0,
  clogUs: 0,
};

interface Endpoint<M> {
  readonly actor: Actor;
  readonly deliver: (m: M) => void;
}

/**
 * Directed links between numbered endpoints, each with its own random stream. A message may be
 * lost, delayed, repeated and overtaken; a cut link (one-way, if need be) loses everything.
 * The receiver must not write what it gets: repeated messages are the same object.
 */
export class SimNetwork<M> {
  readonly #world: World;
  readonly #random: SimRandom;
  readonly #links = new Map<string, SimRandom>();
  readonly #lastArrivalUs = new Map<string, number>();
  readonly #endpoints = new Map<number, Endpoint<M>>();
  readonly #cut = new Set<string>();
  faults: NetworkFaults;
  sent = 0;
  lost = 0;

  constructor(world: World, faults: NetworkFaults) {
    this.#world = world;
    this.#random = world.random.fork("network");
    this.faults = faults;
  }

  /** (Re)connects an endpoint; messages to a dead generation of the actor are lost. */
  attach(id: number, actor: Actor, deliver: (m: M) => void): void {
    this.#endpoints.set(id, { actor, deliver });
  }

  detach(id: number): void {
    this.#endpoints.delete(id);
  }

  cut(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  isCut(from: number, to: number): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  /** `once`: it is never repeated. False when the message is known to be lost at once (cut link, dead peer, bad luck). */
  send(from: number, to: number, m: M, label: () => string, extraUs = 0, once = false): boolean {
    const key = `${from}>${to}`;
    let random = this.#links.get(key);
    if (random === undefined) {
      random = this.#random.fork(key);
      this.#links.set(key, random);
    }
    this.sent++;
    const f = this.faults;
    if (this.#cut.has(key) || random.chance(f.lossPercent) || !this.#endpoints.has(to)) {
      this.lost++;
      return false;
    }
    const copies = random.chance(f.duplicatePercent) && !once ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      let delayUs = f.delayMinUs + random.geometric(f.delayMeanUs) + extraUs;
      if (random.chance(f.clogPercent)) delayUs += random.below(f.clogUs + 1);
      if (f.fifo) {
        const arrival = Math.max(this.#world.nowUs + delayUs, this.#lastArrivalUs.get(key) ?? 0);
        this.#lastArrivalUs.set(key, arrival);
        delayUs = arrival - this.#world.nowUs;
      }
      this.#world.after(delayUs, undefined, label, () => this.#arrive(key, to, m, label));
    }
    return true;
  }

  /** A cut that came while the message was on its way takes it too. */
  #arrive(key: string, to: number, m: M, label: () => string): void {
    const endpoint = this.#endpoints.get(to);
    if (endpoint === undefined || this.#cut.has(key)) {
      this.lost++;
      return;
    }
    this.#world.after(0, endpoint.actor, label, () => endpoint.deliver(m));
  }
}

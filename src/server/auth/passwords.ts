/** bcrypt, off the loop's thread and never more at once than leaves the loop a core. */
import { availableParallelism } from "node:os";
import { hash, verify } from "@node-rs/bcrypt";
import { EtcdError } from "../../proto/index.ts";

/** What golang.org/x/crypto/bcrypt allows. */
const costMin = 4;
const costMax = 31;
const defaultCost = 10;
const passwordBytesMax = 72;
/** Who may wait for a turn; more are told that there are too many. */
const waitingMax = 1000;

export class Passwords {
  readonly cost: number;
  readonly #atOnce: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** A cost out of range is taken for the default, as etcd does. */
  constructor(options: { readonly cost?: number; readonly atOnce?: number } = {}) {
    const cost = options.cost ?? defaultCost;
    this.cost = cost < costMin || cost > costMax ? defaultCost : cost;
    this.#atOnce = options.atOnce ?? Math.max(1, availableParallelism() - 1);
  }

  /** bcrypt sees no more of a password: longer ones are not taken. */
  isTooLong(password: string): boolean {
    return Buffer.byteLength(password) > passwordBytesMax;
  }

  /** Errors: RequestTooManyRequests. */
  async hash(password: string): Promise<string> {
    const hashed = await this.#inTurn(() => hash(password, this.cost));
    return hashed.replace(/^\$2[by]\$/, "$2a$"); // Go's name for the same, where 72 bytes are the most.
  }

  /** False too for a hash that is none. `wanted`: asked when its turn comes; false skips the work. */
  async verify(password: string, hashed: Uint8Array, wanted: () => boolean): Promise<boolean> {
    return await this.#inTurn(
      async () => wanted() && (await verify(password, Buffer.from(hashed)).catch(() => false)),
    );
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#atOnce) {
      if (this.#waiting.length >= waitingMax) throw new EtcdError("RequestTooManyRequests");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

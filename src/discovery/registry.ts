/**
 * v3 discovery: every member writes itself below the token, in a cluster that runs already, and reads
 * there who the others are. Source: etcd server/etcdserver/api/v3discovery/discovery.go.
 *
 *   /_etcd/registry/<token>/_config/size      how many members the cluster begins with
 *   /_etcd/registry/<token>/members/<id>      name=url,name=url of one of them
 *
 * The first `size` members by createRevision are the cluster; all of them read the same list.
 */
import { posix } from "node:path";
import { type Client, RpcError, WatchCanceledError } from "../client/index.ts";
import { parseInitialCluster, type UrlsMap } from "../core/membership/index.ts";
import { hexId, type MemberId, type Revision } from "../core/types.ts";
import type { Clock, Logger } from "../ports/index.ts";
import type { mvccpb } from "../proto/client/index.ts";

export interface RegistryOptions {
  readonly client: Client;
  /** The new cluster's name in the registry. */
  readonly token: string;
  /** Bound of one read or write there, in milliseconds. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the wait: joinRegistry rejects with its reason. */
  readonly signal: AbortSignal;
}

interface Entry {
  readonly key: string;
  /** `name=url,...` */
  readonly text: string;
  readonly createRevision: number;
}

interface Registered {
  readonly size: number;
  /** By createRevision, at most one a key. */
  readonly entries: Entry[];
  /** The registry's revision when they were read. */
  readonly revision: number;
}

/** Waits double from 2 s up to 256 s, as etcd's. */
const doublingsMax = 8;

/** What asking again does not mend. */
class RegistryError extends Error {
  override readonly name = "RegistryError";
}

/**
 * Registers a member and waits until the cluster is complete; its members with their peer URLs. `own` is
 * `name=url,...`. A member that registered before a crash finds itself and takes the same place again.
 * Goes on as long as the registry cannot be reached. Throws Error in etcd's words where the registry has
 * no size, is full or holds what are no URLs, and where it does not know our user.
 */
export async function joinRegistry(
  options: RegistryOptions,
  self: MemberId,
  own: string,
): Promise<UrlsMap> {
  const { client, token, logger } = options;
  const endpoints = client.endpoints.join(",");
  const named = { "discovery-token": token, "discovery-endpoints": endpoints };
  return await new Registry({ ...options, logger: logger.child(named) }, self).join(own);
}

class Registry {
  readonly #o: RegistryOptions;
  readonly #membersKey: string;
  readonly #sizeKey: string;
  readonly #selfKey: string;
  #failures = 0;

  constructor(options: RegistryOptions, self: MemberId) {
    this.#o = options;
    const root = posix.join("/_etcd/registry", options.token);
    this.#sizeKey = posix.join(root, "_config/size");
    this.#membersKey = posix.join(root, "members");
    this.#selfKey = posix.join(this.#membersKey, hexId(self));
  }

  async join(own: string): Promise<UrlsMap> {
    const { logger } = this.#o;
    try {
      // Before anything is written: a cluster that is full stays as it is.
      await this.#patiently("cluster status check", () => this.#check());
      await this.#patiently("register member itself", () => this.#register(own));
      const entries = await this.#complete();
      const cluster = entries.map((e) => e.text).join(",");
      const parsed = parseInitialCluster(cluster);
      if (!parsed.ok) throw new RegistryError("discovery: invalid peer URL");
      logger.info("discovery joined cluster successfully", { cluster });
      return parsed.value;
    } catch (error) {
      logger.error("discovery failed to join cluster", { error: (error as Error).message });
      throw error;
    }
  }

  /** Size and members. Throws RegistryError when others have taken all places. */
  async #check(): Promise<Registered> {
    const { client, requestTimeoutMs: timeoutMs, signal } = this.#o;
    const call = { timeoutMs, signal };
    const [size] = (await client.kv.get(this.#sizeKey, call)).kvs;
    if (size === undefined) throw new RegistryError("discovery: size key not found");
    const members = await client.kv.get(this.#membersKey, { ...call, prefix: true });
    const registered: Registered = {
      size: parseSize(textOf(size.value)),
      entries: [],
      revision: members.header?.revision ?? 0,
    };
    for (const kv of members.kvs) this.#add(registered.entries, kv);
    const place = registered.entries.findIndex((e) => e.key === this.#selfKey);
    const before = place < 0 ? registered.entries.length : place;
    if (before >= registered.size) throw new RegistryError("discovery: cluster is full");
    return registered;
  }

  async #register(own: string): Promise<void> {
    const { client, requestTimeoutMs: timeoutMs, signal, logger } = this.#o;
    await client.kv.put(this.#selfKey, own, { timeoutMs, signal });
    const fields = { memberKey: this.#selfKey, memberInfo: own };
    logger.info("register member itself successfully", fields);
  }

  /** The members of the complete cluster, waiting for those that are missing. */
  async #complete(): Promise<readonly Entry[]> {
    for (;;) {
      const registered = await this.#patiently("cluster status check", () => this.#check());
      // A watch that ended may have missed some: then they are read anew.
      const isWhole = await this.#patiently("waiting for peers", () => this.#wait(registered));
      if (isWhole) return registered.entries.slice(0, registered.size);
    }
  }

  /** Adds who comes. False: the watch's beginning was compacted away, others may have come meanwhile. */
  async #wait({ size, entries, revision }: Registered): Promise<boolean> {
    const { client, signal, logger } = this.#o;
    const tell = (msg: string): void => {
      logger.info(msg, { clusterSize: size, "found-peers": entries.length });
    };
    if (entries.length < size) {
      tell("waiting for peers from discovery service");
      const from = { startRevision: (revision + 1) as Revision, prefix: true };
      try {
        for await (const { events } of client.watch.watch(this.#membersKey, { ...from, signal })) {
          for (const { kv } of events) if (kv !== undefined) this.#add(entries, kv);
          if (entries.length >= size) break;
        }
      } catch (error) {
        if (error instanceof WatchCanceledError && error.compactRevision > 0) return false;
        throw error;
      }
    }
    tell("found all needed peers from discovery service");
    return true;
  }

  #add(entries: Entry[], kv: mvccpb.KeyValue): void {
    const { logger } = this.#o;
    const [key, text] = [textOf(kv.key).trim(), textOf(kv.value).trim()];
    const fields = { memberKey: key, memberInfo: text };
    if (!text.includes("=")) {
      logger.warn("invalid peer info returned from discovery service", fields);
    } else if (entries.some((e) => e.key === key)) {
      logger.warn("found duplicate peer from discovery service", fields);
    } else {
      logger.info("found peer from discovery service", fields);
      entries.push({ key, text, createRevision: kv.createRevision });
      entries.sort((a, b) => a.createRevision - b.createRevision);
    }
  }

  /** Tries until it works, or fails for good. */
  async #patiently<T>(step: string, attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const result = await attempt();
        this.#failures = 0;
        return result;
      } catch (error) {
        if (!mayPass(error)) throw error;
        const seconds = 2 ** Math.min(++this.#failures, doublingsMax);
        const fields = { reason: step, backoff: `${seconds}s`, error: (error as Error).message };
        this.#o.logger.warn("retry connecting to discovery service", fields);
        await this.#pause(seconds * 1000);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    const { clock, signal } = this.#o;
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        cancel();
        reject(signal.reason);
      };
      const cancel = clock.after(ms, () => {
        signal.removeEventListener("abort", abort);
        resolve();
      });
      signal.addEventListener("abort", abort, { once: true });
    });
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** As strconv.ParseInt(s, 10, 0); what is beyond 2^53 is beyond any cluster. */
function parseSize(text: string): number {
  const size = /^[+]?\d+$/.test(text) ? Number(text) : 0;
  if (size > 0 && size < 2 ** 63) return size;
  throw new RegistryError("discovery: size key is bad");
}

/** Whatever the registry answers may be otherwise a little later, but for who we say we are. */
const mayPass = (error: unknown): boolean =>
  error instanceof WatchCanceledError || (error instanceof RpcError && error.etcd !== "AuthFailed");

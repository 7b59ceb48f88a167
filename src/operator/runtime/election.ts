/**
 * Leader election on a Lease, as client-go does it: others' claims expire by our own monotonic
 * clock from when we saw them change, so clocks need not agree. It is no fence: whoever acts asks
 * `remainingMs` first, and writes carry resourceVersions.
 */
import type { Clock, Logger } from "../../ports/index.ts";
import type { KubeObject } from "../types/index.ts";
import type { KubeApi } from "./kube-api.ts";
import { isConflict, isNotFound } from "./kube-error.ts";
import { resources } from "./resource.ts";
import { pause } from "./wait.ts";

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

type Lease = KubeObject<LeaseSpec>;

export interface ElectionOptions {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly namespace: string;
  readonly name: string;
  /** Unique per process. */
  readonly identity: string;
  /** A claim not renewed for this long is free; default 15 s. */
  readonly leaseMs?: number;
  /** A leader that cannot renew for this long gives up; default 10 s. */
  readonly renewDeadlineMs?: number;
  readonly retryMs?: number;
}

export class Election {
  readonly #o: ElectionOptions;
  readonly #leaseMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryMs: number;
  /** The claim of somebody else, and when we first saw it so. */
  #seen: { readonly version: string; readonly atMs: number } | undefined;
  /** When the request of our last successful renewal was sent. */
  #renewedMs = Number.NEGATIVE_INFINITY;
  #leading = false;

  constructor(options: ElectionOptions) {
    this.#o = options;
    this.#leaseMs = options.leaseMs ?? 15_000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryMs = options.retryMs ?? 2_000;
  }

  /** How long nobody else can hold the lease; negative when that is no longer sure. */
  remainingMs(): number {
    if (!this.#leading) return -1;
    return this.#renewedMs + this.#renewDeadlineMs - this.#o.clock.nowMs();
  }

  /** Resolves when this process leads, or when the signal is aborted. */
  async acquire(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#attempt(signal)) {
        this.#leading = true;
        this.#o.logger.info("became leader", { identity: this.#o.identity });
        return;
      }
      await pause(this.#o.clock, this.#retryMs, signal);
    }
  }

  /** Renews until the lease is lost ("lost") or the signal is aborted ("stopped"). */
  async hold(signal: AbortSignal): Promise<"lost" | "stopped"> {
    while (!signal.aborted) {
      await pause(this.#o.clock, this.#retryMs, signal);
      if (signal.aborted) break;
      await this.#attempt(signal);
      if (this.remainingMs() < 0) {
        this.#leading = false;
        this.#o.logger.error("lost the leader lease", { identity: this.#o.identity });
        return "lost";
      }
    }
    return "stopped";
  }

  /** Gives the lease away, so that the next leader need not wait. Best effort. */
  async release(): Promise<void> {
    if (!this.#leading) return;
    this.#leading = false;
    const { api, namespace, name, identity } = this.#o;
    try {
      const lease = await api.get<Lease>(resources.leases, namespace, name);
      if (lease.spec?.holderIdentity !== identity) return;
      await api.replace(resources.leases, {
        ...lease,
        spec: { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1 },
      });
    } catch (error) {
      this.#o.logger.warn("could not release the leader lease", { error });
    }
  }

  /** One try to take or renew the lease; true when it is ours now. */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    const sentMs = this.#o.clock.nowMs();
    try {
      // A renewal that hangs must not outlive the deadline.
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(this.#renewDeadlineMs / 2)]);
      const taken = await this.#takeOrRenew(bounded);
      if (taken) this.#renewedMs = sentMs;
      return taken;
    } catch (error) {
      if (signal.aborted || isConflict(error)) return false;
      this.#o.logger.warn("leader lease request failed", { error });
      return false;
    }
  }

  async #takeOrRenew(signal: AbortSignal): Promise<boolean> {
    const { api, clock, namespace, name, identity } = this.#o;
    const lease = await this.#read(signal);
    const now = new Date(clock.wallMs()).toISOString().replace("Z", "000Z");
    if (lease === undefined) {
      const { apiVersion, kind } = resources.leases;
      const metadata = { name, namespace };
      const spec = this.#claim(now, undefined);
      await api.create(resources.leases, { apiVersion, kind, metadata, spec }, signal);
      return true;
    }
    const holder = lease.spec?.holderIdentity ?? "";
    if (holder !== identity && this.#leading) {
      // Somebody else took it: nothing may be done from now on, not even within the deadline.
      this.#renewedMs = Number.NEGATIVE_INFINITY;
      return false;
    }
    if (holder !== identity && holder !== "" && !this.#expired(lease)) return false;
    const spec = this.#claim(now, lease.spec);
    await api.replace(resources.leases, { ...lease, spec }, signal);
    return true;
  }

  async #read(signal: AbortSignal): Promise<Lease | undefined> {
    try {
      const { api, namespace, name } = this.#o;
      return await api.get<Lease>(resources.leases, namespace, name, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #expired(lease: Lease): boolean {
    const version = lease.metadata.resourceVersion ?? "";
    const nowMs = this.#o.clock.nowMs();
    if (this.#seen?.version !== version) this.#seen = { version, atMs: nowMs };
    const leaseMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1000 || this.#leaseMs;
    return nowMs - this.#seen.atMs >= leaseMs;
  }

  #claim(now: string, old: LeaseSpec | undefined): LeaseSpec {
    const renewed = old?.holderIdentity === this.#o.identity;
    return {
      holderIdentity: this.#o.identity,
      leaseDurationSeconds: Math.ceil(this.#leaseMs / 1000),
      acquireTime: renewed ? (old.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (old?.leaseTransitions ?? 0) + (renewed || old === undefined ? 0 : 1),
    };
  }
}

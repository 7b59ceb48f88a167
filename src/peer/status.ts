import type { MemberId } from "../core/types.ts";
import type { Settings } from "./settings.ts";

/** Whether a peer is connected, and since when (rafthttp peer_status.go). */
export class PeerStatus {
  readonly #id: MemberId;
  readonly #settings: Settings;
  readonly #hasStream: () => boolean;
  #since: number | undefined;

  /** `hasStream`: whether we read from the peer now; then no other failure makes it inactive. */
  constructor(id: MemberId, settings: Settings, hasStream: () => boolean) {
    this.#id = id;
    this.#settings = settings;
    this.#hasStream = hasStream;
  }

  /** Clock's nowMs of the moment it became active; undefined while it is not. */
  get since(): number | undefined {
    return this.#since;
  }

  activate(): void {
    if (this.#since !== undefined) return;
    this.#since = this.#settings.clock.nowMs();
    this.#settings.metrics.activity(this.#id, true);
    this.#settings.logger.info("peer became active", { "peer-id": this.#id.toString(16) });
  }

  deactivate(reason: string): void {
    if (this.#since === undefined || this.#hasStream()) return;
    this.#since = undefined;
    this.#settings.metrics.activity(this.#id, false);
    this.#settings.logger.warn("peer became inactive (message send to peer failed)", {
      "peer-id": this.#id.toString(16),
      error: reason,
    });
  }
}

/** The peer's URLs, one in use at a time (rafthttp urlpick.go). */
export class UrlPicker {
  #urls: readonly string[];
  #picked = 0;

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** The empty text (reachable nowhere) when the peer has no URL at all. */
  pick(): string {
    return this.#urls[this.#picked] ?? "";
  }

  update(urls: readonly string[]): void {
    this.#urls = urls;
    this.#picked = 0;
  }

  /** Goes on to the next URL if this one is still the one in use. */
  unreachable(url: string): void {
    if (url === this.pick() && this.#urls.length > 0)
      this.#picked = (this.#picked + 1) % this.#urls.length;
  }
}

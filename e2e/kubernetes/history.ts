// Everything that a watch told about one collection, kept to be compared with what was written and listed.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { KubeApi, Resource } from "../../src/operator/runtime/index.ts";
import type { KubeObject } from "../../src/operator/types/index.ts";
import { until } from "../../test/until.ts";

/** Annotation that counts an object's writes: 0 when it is created, one more each time. */
export const countKey = "story.quoin.dev/writes";

/** A collection at one revision: version by name. */
export interface Snapshot {
  readonly revision: number;
  readonly versions: ReadonlyMap<string, number>;
}

interface Told {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly revision: number;
  readonly name: string;
  readonly uid: string;
  readonly count: number;
}

const revisionOf = (object: KubeObject): number => Number(object.metadata.resourceVersion);
const retryMs = 100;

/**
 * Follows a collection from one list on; a watch that breaks goes on from the last revision it told. A
 * history never lists again: a watch that cannot go on, or tells something twice, fails the story.
 */
export class History implements AsyncDisposable {
  readonly #api: KubeApi;
  readonly #resource: Resource;
  readonly #namespace: string;
  readonly #stop = new AbortController();
  readonly #told: Told[] = [];
  #first: Snapshot = { revision: 0, versions: new Map() };
  #revision = 0;
  #resumed = 0;
  #bookmarks = 0;
  #running: Promise<void> = Promise.resolve();
  #failure: Error | undefined;

  private constructor(api: KubeApi, resource: Resource, namespace: string) {
    this.#api = api;
    this.#resource = resource;
    this.#namespace = namespace;
  }

  static async from(api: KubeApi, resource: Resource, namespace: string): Promise<History> {
    const history = new History(api, resource, namespace);
    const { items, resourceVersion } = await api.list(resource, { namespace });
    const versions = new Map(items.map((it) => [it.metadata.name, revisionOf(it)]));
    history.#first = { revision: Number(resourceVersion), versions };
    history.#revision = history.#first.revision;
    history.#running = history.#follow().catch((error: Error) => {
      history.#failure = error;
    });
    return history;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  get summary(): string {
    return `${this.#told.length} events of ${this.#resource.plural}, ${this.#bookmarks} bookmarks, the watch went on ${this.#resumed} times`;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#watch();
      } catch (error) {
        if (signal.aborted) return;
        const status = (error as { status?: number }).status;
        // 0: no answer or a broken stream; 429 and 5xx: the server cannot now.
        if (status === undefined || (status !== 0 && status < 429)) throw error;
      }
      if (signal.aborted) return;
      this.#resumed++;
      await pause(retryMs);
    }
  }

  async #watch(): Promise<void> {
    const options = {
      namespace: this.#namespace,
      resourceVersion: String(this.#revision),
      timeoutSeconds: 600,
      idleTimeoutMs: 120_000,
      signal: this.#stop.signal,
    };
    for await (const { type, object } of this.#api.watch(this.#resource, options)) {
      const revision = revisionOf(object);
      if (type === "BOOKMARK") {
        assert.ok(revision >= this.#revision, `bookmark ${revision} after ${this.#revision}`);
        this.#bookmarks++;
      } else if (type !== "ERROR") {
        const { name, uid = "", annotations } = object.metadata;
        const what = `${type} ${name} at ${revision}`;
        assert.ok(revision > this.#revision, `${what} was told after ${this.#revision}`);
        this.#told.push({ type, revision, name, uid, count: Number(annotations?.[countKey] ?? 0) });
      }
      this.#revision = revision;
    }
  }

  /** Once the watch has told of everything up to this revision of the collection's newest object. */
  async reaches(revision: number): Promise<void> {
    await until(`${this.#resource.plural}: the watch to reach ${revision}`, () => {
      if (this.#failure !== undefined) return true;
      return this.#revision >= revision;
    });
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Every write is there once: an object's events are ADDED, MODIFIED ..., DELETED with its write count
   * going up by one each time, and `acknowledged` revisions are all among them.
   */
  assertWhole(acknowledged: readonly number[]): void {
    if (this.#failure !== undefined) throw this.#failure;
    const byUid = new Map<string, Told[]>();
    for (const event of this.#told) {
      const events = byUid.get(event.uid);
      if (events === undefined) byUid.set(event.uid, [event]);
      else events.push(event);
    }
    for (const events of byUid.values()) assertChain(events);
    const revisions = new Set(this.#told.map((event) => event.revision));
    const lost = acknowledged.filter((revision) => !revisions.has(revision));
    assert.deepEqual(lost, [], `${this.#resource.plural}: writes that no event told of`);
  }

  /** A list is exactly what the events up to its revision make. Lists in the order of their revisions. */
  assertLists(lists: readonly Snapshot[]): void {
    const versions = new Map(this.#first.versions);
    let next = 0;
    for (const list of [...lists].sort((a, b) => a.revision - b.revision)) {
      for (; (this.#told[next]?.revision ?? Number.POSITIVE_INFINITY) <= list.revision; next++) {
        const { type, name, revision } = this.#told[next] as Told;
        if (type === "DELETED") versions.delete(name);
        else versions.set(name, revision);
      }
      const differing = difference(versions, list.versions);
      assert.deepEqual(differing, [], `the list at ${list.revision} is not what was watched`);
    }
  }
}

function assertChain(events: readonly Told[]): void {
  const text = (): string => events.map((it) => `${it.type} ${it.count}`).join(", ");
  events.forEach((event, i) => {
    const before = events[i - 1];
    const isFirst = event.type === "ADDED";
    assert.equal(isFirst, i === 0, `${event.name}: ${text()}`);
    const expected = isFirst ? 0 : (before?.count ?? 0) + (event.type === "MODIFIED" ? 1 : 0);
    assert.equal(event.count, expected, `${event.name}: ${text()}`);
    assert.notEqual(before?.type, "DELETED", `${event.name}: ${text()}`);
  });
}

function difference(
  watched: ReadonlyMap<string, number>,
  listed: ReadonlyMap<string, number>,
): string[] {
  const names = new Set([...watched.keys(), ...listed.keys()]);
  return [...names]
    .filter((name) => watched.get(name) !== listed.get(name))
    .map((name) => `${name}: watched ${watched.get(name)}, listed ${listed.get(name)}`);
}

/**
 * --enable-pprof: /debug/pprof/ with what V8 can tell, in pprof's format. Source of paths and texts: Go's
 * net/http/pprof, which etcd serves.
 */
import type { HeapProfiler, Profiler, Session } from "node:inspector/promises";
import type { Clock } from "../../ports/index.ts";
import { type HttpAnswer, plain } from "./health.ts";
import { encodeProfile, type Frame, type Sample } from "./profile-proto.ts";

export const pprofPath = "/debug/pprof/";
/** As Go: 100 samples a second, 30 seconds, and one allocation in 512 KiB. */
const samplesPerSecond = 100;
const defaultSeconds = 30;
const heapIntervalBytes = 512 * 1024;
/** Samples are held in memory until the end. */
const secondsMax = 300;
/** V8 collects all garbage for a heap profile: a pause for everyone. */
const heapPauseMs = 1000;

const index = `<html><head><title>${pprofPath}</title></head><body>
<p><a href="profile?seconds=30">profile</a>: CPU, for so many seconds (at most ${secondsMax})</p>
<p><a href="heap">heap</a>: what is alive, by where it was allocated, sampled</p>
<p><a href="cmdline">cmdline</a></p>
</body></html>
`;

/** Profiles of this process; one CPU profile at a time, and one of the heap a second. */
export class Pprof {
  readonly #clock: Clock;
  readonly #session: Session;
  #isProfiling = false;
  /** The newest, perhaps still under way. */
  #heapProfile: Promise<HttpAnswer> | undefined;
  #heapDoneMs = Number.NEGATIVE_INFINITY;

  private constructor(clock: Clock, session: Session) {
    this.#clock = clock;
    this.#session = session;
  }

  /** Samples allocations from here on, which costs next to nothing. Loads V8's inspector. */
  static async open(clock: Clock): Promise<Pprof> {
    const { Session } = await import("node:inspector/promises");
    const session = new Session();
    session.connect();
    await session.post("HeapProfiler.startSampling", { samplingInterval: heapIntervalBytes });
    return new Pprof(clock, session);
  }

  /** The page at a path below /debug/pprof/; undefined: there is none. `gone`: nobody waits for it. */
  page(
    path: string,
    query: URLSearchParams,
    gone: AbortSignal,
  ): (() => Promise<HttpAnswer>) | undefined {
    switch (path) {
      case pprofPath:
        return async () => ({ status: 200, contentType: "text/html; charset=utf-8", body: index });
      case `${pprofPath}cmdline`:
        return async () => plain(200, [...process.execArgv, ...process.argv].join("\0"));
      case `${pprofPath}profile`:
        return () => this.#cpu(query.get("seconds"), gone);
      case `${pprofPath}heap`:
      case `${pprofPath}allocs`:
        return () => this.#heap();
      default:
        return path.startsWith(pprofPath)
          ? async () => plain(404, "Unknown profile: V8 has profile and heap\n")
          : undefined;
    }
  }

  close(): void {
    this.#session.disconnect();
  }

  async #cpu(text: string | null, gone: AbortSignal): Promise<HttpAnswer> {
    const seconds = Number(text ?? defaultSeconds) || defaultSeconds;
    if (seconds < 0 || seconds > secondsMax) {
      return plain(400, `seconds must be at most ${secondsMax}, not ${seconds}\n`);
    }
    if (this.#isProfiling) {
      return plain(500, "Could not enable CPU profiling: cpu profiling already in use\n");
    }
    this.#isProfiling = true;
    try {
      const atMs = this.#clock.wallMs();
      await this.#session.post("Profiler.enable");
      const interval = 1e6 / samplesPerSecond;
      await this.#session.post("Profiler.setSamplingInterval", { interval });
      await this.#session.post("Profiler.start");
      await this.#wait(seconds * 1000, gone);
      const { profile } = await this.#session.post("Profiler.stop");
      await this.#session.post("Profiler.disable");
      if (gone.aborted) return plain(500, "The client has gone\n");
      return file("profile", cpuProfile(profile, atMs));
    } finally {
      this.#isProfiling = false;
    }
  }

  /** Ends early once nobody waits. */
  #wait(ms: number, gone: AbortSignal): Promise<void> {
    if (gone.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, resolve);
      gone.addEventListener("abort", () => {
        cancel();
        resolve();
      });
    });
  }

  /** Who asks while one is under way, or less than a second old, gets that one. */
  #heap(): Promise<HttpAnswer> {
    if (this.#heapProfile === undefined || this.#clock.nowMs() > this.#heapDoneMs + heapPauseMs) {
      this.#heapDoneMs = Number.POSITIVE_INFINITY;
      this.#heapProfile = this.#takeHeap().finally(() => {
        this.#heapDoneMs = this.#clock.nowMs();
      });
    }
    return this.#heapProfile;
  }

  async #takeHeap(): Promise<HttpAnswer> {
    const atMs = this.#clock.wallMs();
    const { profile } = await this.#session.post("HeapProfiler.getSamplingProfile");
    return file("heap", heapProfile(profile, atMs));
  }
}

const file = (name: string, body: Uint8Array): HttpAnswer => ({
  status: 200,
  contentType: "application/octet-stream",
  headers: { "Content-Disposition": `attachment; filename="${name}"` },
  body,
});

/** V8's tree of nodes, whose time is that of the samples that ended in them. */
export function cpuProfile(profile: Profiler.Profile, atMs: number): Uint8Array {
  const microseconds = new Map<number, number>();
  const hits = new Map<number, number>();
  profile.samples?.forEach((id, i) => {
    microseconds.set(id, (microseconds.get(id) ?? 0) + (profile.timeDeltas?.[i] ?? 0));
    hits.set(id, (hits.get(id) ?? 0) + 1);
  });
  const byId = new Map(profile.nodes.map((n) => [n.id, n]));
  const parents = new Map(profile.nodes.flatMap((n) => n.children?.map((c) => [c, n.id]) ?? []));
  const samples: Sample[] = [];
  for (const [id, n] of hits) {
    const stack: Frame[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = byId.get(at)?.callFrame;
      if (frame !== undefined && frame.functionName !== "(root)") stack.push(frame);
    }
    // Waiting is no work: a Go program that sleeps has no samples either.
    if (stack[0]?.functionName === "(idle)") continue;
    samples.push({ stack, values: [n, (microseconds.get(id) ?? 0) * 1000] });
  }
  return encodeProfile({
    types: [
      ["samples", "count"],
      ["cpu", "nanoseconds"],
    ],
    samples,
    periodType: ["cpu", "nanoseconds"],
    period: 1e9 / samplesPerSecond,
    atMs,
    durationMs: (profile.endTime - profile.startTime) / 1000,
  });
}

export function heapProfile(profile: HeapProfiler.SamplingHeapProfile, atMs: number): Uint8Array {
  const samples: Sample[] = [];
  const walk = (node: HeapProfiler.SamplingHeapProfileNode, outer: readonly Frame[]): void => {
    const stack = node.callFrame.functionName === "(root)" ? outer : [node.callFrame, ...outer];
    if (node.selfSize > 0) samples.push({ stack, values: [node.selfSize] });
    for (const child of node.children) walk(child, stack);
  };
  walk(profile.head, []);
  return encodeProfile({
    types: [["inuse_space", "bytes"]],
    samples,
    periodType: ["space", "bytes"],
    period: heapIntervalBytes,
    atMs,
    durationMs: 0,
  });
}

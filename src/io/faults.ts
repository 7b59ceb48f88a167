import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { FaultPoint, Faults, Logger, Random } from "../ports/index.ts";

/** Nothing ever fails: what production uses unless the variables are set. */
export const noFaults: Faults = { hit: () => undefined };

export interface FaultsOptions {
  /** The process's environment; GOFAIL_HTTP and GOFAIL_FAILPOINTS are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly random: Random;
  readonly logger: Logger;
  /** How `panic` ends the process; default: SIGKILL to itself, so that nothing is tidied up. */
  readonly panic?: (point: string) => void;
}

/** Faults that can be switched, by `set` or over HTTP. */
export interface SwitchableFaults extends Faults {
  /** `host:port` of the endpoint; undefined without GOFAIL_HTTP. */
  readonly address: string | undefined;
  /** Throws Error when the point is unknown or the terms do not parse. */
  set(name: string, terms: string): void;
  /** Throws Error when the point is unknown or off. */
  clear(name: string): void;
  close(): Promise<void>;
}

/**
 * Failpoints as etcd builds with gofail have them: GOFAIL_FAILPOINTS="name=terms;..." at the start,
 * and with GOFAIL_HTTP=host:port an endpoint (GET / lists, GET, PUT and DELETE /name, GET /name/count,
 * PUT /failpoints for several). Terms: `[p%][N*]kind[(argument)]`, chained by `->`; kinds are off,
 * return, sleep (milliseconds or a Go duration; the whole loop stands still), panic, print, break
 * (as print). Without either variable this is `noFaults` and nothing listens. Rejects when the
 * variables are malformed or the address cannot be bound.
 */
export async function openFaults(options: FaultsOptions): Promise<Faults | SwitchableFaults> {
  const { GOFAIL_HTTP: address, GOFAIL_FAILPOINTS: initial } = options.env;
  if (!address && !initial) return noFaults;
  const board = new Board(options);
  for (const [name, terms] of parseAssignments(initial ?? "")) board.set(name, terms);
  if (address) await board.listen(address);
  return board;
}

// A record and not a list, so that a name added to the port and forgotten here fails to compile.
const known: Readonly<Record<FaultPoint, true>> = {
  raftBeforeSave: true,
  raftAfterSave: true,
  raftBeforeSaveSnap: true,
  raftAfterSaveSnap: true,
  raftBeforeLeaderSend: true,
  raftBeforeFollowerSend: true,
  raftBeforeApplySnap: true,
  raftAfterApplySnap: true,
  raftAfterWALRelease: true,
  walBeforeSync: true,
  walAfterSync: true,
  beforeCommit: true,
  afterCommit: true,
  compactBeforeCommitBatch: true,
  compactAfterCommitBatch: true,
  compactBeforeSetFinishedCompact: true,
  compactAfterSetFinishedCompact: true,
  applyBeforeOpenSnapshot: true,
  applyAfterOpenSnapshot: true,
  beforeApplyOneConfChange: true,
  beforeApplyOneEntryNormal: true,
  beforeSendWatchResponse: true,
  commitBeforePreCommitHook: true,
  commitAfterPreCommitHook: true,
  beforeWritebackBuf: true,
  afterWritebackBuf: true,
  compactBeforeCommitScheduledCompact: true,
  compactAfterCommitScheduledCompact: true,
  beforeStartDBTxn: true,
  afterStartDBTxn: true,
  raftBeforeAdvance: true,
  compactAfterAcquiredBatchTxLock: true,
  defragOpenFileError: true,
  defragdbFail: true,
  defragBeforeCopy: true,
  defragBeforeRename: true,
  raftBeforeWALSaveSnaphot: true,
  snapDBRenameBeforeDirSync: true,
  snapDBDirSyncError: true,
  beforeRangeStreamChunk: true,
  beforePublishing: true,
  beforeCheckpointInLeaseRenew: true,
  beforeServeHTTPLeaseRenew: true,
  raftDropHeartbeat: true,
  beforeLookupWhenLeaseTimeToLive: true,
  beforeLookupWhenForwardLeaseTimeToLive: true,
  forceNewBeforeBuild: true,
  forceNewAfterEngine: true,
  forceNewAfterLog: true,
  forceNewBetweenRenames: true,
  forceNewAfterRenames: true,
};

type Kind = "off" | "return" | "sleep" | "panic" | "print" | "break";

interface Term {
  readonly kind: Kind;
  readonly argument: string;
  /** In a million; undefined means always. */
  readonly probability: number | undefined;
  /** How often it may still act; Infinity without `N*`. */
  left: number;
}

interface Armed {
  readonly text: string;
  readonly chain: readonly Term[];
  hits: number;
}

class Board implements SwitchableFaults {
  readonly #options: FaultsOptions;
  readonly #armed = new Map<string, Armed>();
  readonly #server = createServer((request, response) => this.#serve(request, response));
  #address: string | undefined;

  constructor(options: FaultsOptions) {
    this.#options = options;
  }

  get address(): string | undefined {
    return this.#address;
  }

  hit(name: FaultPoint): string | undefined {
    const armed = this.#armed.get(name);
    if (armed === undefined) return undefined;
    const term = armed.chain.find((t) => this.#allows(t));
    if (term === undefined || term.kind === "off") return undefined;
    armed.hits++;
    return this.#act(name, term);
  }

  set(name: string, terms: string): void {
    if (!Object.hasOwn(known, name))
      throw new Error(`failpoint ${JSON.stringify(name)} is unknown`);
    this.#armed.set(name, { text: terms.trim(), chain: parseTerms(terms), hits: 0 });
  }

  clear(name: string): void {
    if (!Object.hasOwn(known, name))
      throw new Error(`failpoint ${JSON.stringify(name)} is unknown`);
    if (!this.#armed.delete(name)) throw new Error(`failpoint ${name} is off already`);
  }

  async listen(address: string): Promise<void> {
    const colon = address.lastIndexOf(":");
    const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
    const port = Number(address.slice(colon + 1));
    if (colon < 0 || !Number.isInteger(port) || port < 0 || port > 65535) {
      throw new Error(`GOFAIL_HTTP must be host:port, got ${JSON.stringify(address)}`);
    }
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ port, ...(host === "" ? {} : { host }) }, resolve);
    });
    this.#server.unref();
    const bound = this.#server.address();
    if (bound !== null && typeof bound === "object") this.#address = `${host}:${bound.port}`;
    this.#options.logger.warn("failpoints can be switched over HTTP", { address: this.#address });
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #allows(term: Term): boolean {
    if (term.left <= 0) return false;
    const { probability } = term;
    if (probability !== undefined && this.#options.random.below(1_000_000) >= probability)
      return false;
    term.left--;
    return true;
  }

  #act(name: string, term: Term): string | undefined {
    switch (term.kind) {
      case "return":
        return term.argument;
      case "sleep":
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs(term.argument));
        return undefined;
      case "panic":
        this.#options.logger.error("failpoint panic", { failpoint: name });
        (this.#options.panic ?? killSelf)(name);
        return undefined;
      case "print":
      case "break":
        this.#options.logger.info("failpoint print", { failpoint: name });
        return undefined;
      case "off":
        return undefined;
    }
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const parts: Buffer[] = [];
    let size = 0;
    request.on("data", (part: Buffer) => {
      size += part.length;
      if (size > 64 * 1024) request.destroy();
      else parts.push(part);
    });
    request.on("end", () => {
      const [status, body] = this.#answer(request, Buffer.concat(parts).toString());
      response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(body);
    });
  }

  #answer(request: IncomingMessage, body: string): readonly [status: number, body: string] {
    const key = (request.url ?? "/").slice(1);
    try {
      switch (request.method) {
        case "GET":
          return this.#show(key);
        case "PUT": {
          const many = key.toLowerCase() === "failpoints";
          for (const [name, terms] of many ? parseAssignments(body) : [[key, body] as const]) {
            this.set(name, terms);
          }
          return [204, ""];
        }
        case "DELETE":
          this.clear(key);
          return [204, ""];
        default:
          return [405, "use GET, PUT or DELETE\n"];
      }
    } catch (error) {
      return [400, `${(error as Error).message}\n`];
    }
  }

  #show(key: string): readonly [status: number, body: string] {
    if (key === "") {
      const lines = Object.keys(known).sort();
      return [200, lines.map((name) => `${name}=${this.#armed.get(name)?.text ?? ""}\n`).join("")];
    }
    const counting = key.endsWith("/count");
    const armed = this.#armed.get(counting ? key.slice(0, -"/count".length) : key);
    if (armed === undefined) return [404, `failpoint ${JSON.stringify(key)} is off or unknown\n`];
    return [200, counting ? String(armed.hits) : `${armed.text}\n`];
  }
}

function killSelf(): void {
  process.kill(process.pid, "SIGKILL");
}

function parseAssignments(text: string): (readonly [name: string, terms: string])[] {
  return text
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const equals = part.indexOf("=");
      if (equals <= 0)
        throw new Error(`failpoints must be name=terms, got ${JSON.stringify(part)}`);
      return [part.slice(0, equals), part.slice(equals + 1)] as const;
    });
}

const termPattern =
  /^(?:(\d+(?:\.\d+)?)%)?(?:(\d+)\*)?(off|return|sleep|panic|print|break)(?:\((.*)\))?$/s;

function parseTerms(text: string): Term[] {
  return text.split("->").map((part) => {
    const match = termPattern.exec(part.trim());
    if (match === null) throw new Error(`failpoint terms do not parse: ${JSON.stringify(part)}`);
    const argument = (match[4] ?? "").trim().replace(/^"(.*)"$/s, "$1");
    const kind = match[3] as Kind;
    if (kind === "sleep") durationMs(argument);
    return {
      kind,
      argument,
      probability: match[1] === undefined ? undefined : Math.round(Number(match[1]) * 10_000),
      left: match[2] === undefined ? Number.POSITIVE_INFINITY : Number(match[2]),
    };
  });
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Plain milliseconds, or a Go duration such as "1.5s" or "1m30s". */
function durationMs(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) {
    throw new Error(`sleep needs milliseconds or a duration, got ${JSON.stringify(text)}`);
  }
  let total = 0;
  for (const [, n, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(n) * unitMs[unit!]!;
  }
  return total;
}

// `quoin server`, also as `etcd`: one member as a process. Composition root: flags in, rooms wired,
// signals answered.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import {
  apiMethods,
  Gateway,
  Metrics,
  Pprof,
  pages,
  servedWhenReady,
  storageVersion,
  withAccess,
} from "../api/index.ts";
import { type MemberUrl, minClusterVersion, serverVersion } from "../core/membership/index.ts";
import { type ClusterId, hexId, type MemberId } from "../core/types.ts";
import {
  createClock,
  createDisk,
  createLogger,
  createRandom,
  openFaults,
  openLogOutputs,
} from "../io/index.ts";
import { quoinVersion } from "../lib/version.ts";
import { askPeer, fetchMembers, lookAt, PeerListener, Transport } from "../peer/index.ts";
import type { Clock, Logger, Random } from "../ports/index.ts";
import { createRpcServer, type RpcServer } from "../rpc/index.ts";
import { isBeta, parseServerConfig, type ServerConfig } from "../server/config/index.ts";
import {
  BootError,
  boot,
  Compactor,
  createTokens,
  DiscoveryError,
  exitCodeOf,
  exitCodes,
  forgetFormer,
  Measures,
  Member,
  type MemberPorts,
  memberRoutes,
  Passwords,
} from "../server/index.ts";
import { openRocksEngine } from "../storage/backend/index.ts";
import { crc32c } from "../storage/wal/index.ts";
import { clientLimits } from "./client-limits.ts";
import { ClientListeners } from "./client-listeners.ts";
import { createDiscovery } from "./discovery.ts";
import { openHttp2Debug } from "./http2-debug.ts";
import { containerLimit, memberOptions } from "./member-options.ts";
import { startFields } from "./start-line.ts";
import { type MemberTls, openTls } from "./tls.ts";

const defaultProgressMs = 600_000;
/** Handing over and draining together stay well below 1.5 s. */
const handOverMs = 500;
const drainMs = 400;

export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const parsed = parseServerConfig(argv, env, build(), (path) => readFileSync(path, "utf8"));
  if (parsed.kind === "exit") {
    process.stdout.write(parsed.stdout);
    process.stderr.write(parsed.stderr);
    if (parsed.log.length > 0) {
      const logger = createLogger();
      for (const line of parsed.log) tell(logger, line);
    }
    return parsed.code;
  }
  const { config } = parsed;
  let write: (line: string) => void;
  try {
    write = openLogOutputs(config.log.outputs, config.log.rotation);
  } catch (error) {
    createLogger().error("cannot open the log", { error: (error as Error).message });
    return 1;
  }
  const logger = createLogger({ level: config.log.level, format: config.log.format, write });
  for (const line of parsed.log) tell(logger, line);
  logger.info("starting an etcd server", startFields(config));
  return await new ServerProcess(config, logger, env).run();
}

/** What --version tells besides the versions; the lines are etcd's. */
function build() {
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const runtime = `none (Node.js ${process.version})`;
  return { gitSha: "unknown", runtime, osArch: `${process.platform}/${arch}` };
}

function tell(logger: Logger, line: { level: string; msg: string; fields: object }): void {
  const fields = line.fields as Record<string, unknown>;
  if (line.level === "debug") logger.debug(line.msg, fields);
  else if (line.level === "info") logger.info(line.msg, fields);
  else if (line.level === "warn") logger.warn(line.msg, fields);
  else logger.error(line.msg, fields);
}

class ServerProcess {
  readonly #config: ServerConfig;
  readonly #logger: Logger;
  readonly #env: NodeJS.ProcessEnv;
  readonly #clock: Clock = createClock();
  readonly #random: Random = createRandom();
  readonly #metrics: Metrics;
  readonly #measures = new Measures();
  #member: Member | undefined;
  #rpc: RpcServer | undefined;
  #transport: Transport | undefined;
  #peerListener: PeerListener | undefined;
  #compactor: Compactor | undefined;
  #clientListeners: ClientListeners | undefined;
  #tls: MemberTls = { client: undefined, peer: undefined };
  #pprof: Pprof | undefined;
  #end: (code: number) => void = () => undefined;
  /** A signal ends waiting for others: to be discovered, or to know this member. */
  readonly #waiting = new AbortController();

  constructor(config: ServerConfig, logger: Logger, env: NodeJS.ProcessEnv) {
    this.#config = config;
    this.#logger = logger;
    this.#env = env;
    this.#metrics = new Metrics({
      member: () => this.#member,
      measures: this.#measures,
      rpc: () => this.#rpc,
      quoinVersion,
      extensive: config.metrics === "extensive",
      gates: [...config.featureGates].map(([name, on]) => ({ name, on, beta: isBeta(name) })),
    });
  }

  /** Runs until a signal or a failure ends it; the exit code. */
  async run(): Promise<number> {
    const ended = new Promise<number>((resolve) => {
      this.#end = resolve;
    });
    process.once("SIGTERM", (signal) => this.#signalled(signal));
    process.once("SIGINT", (signal) => this.#signalled(signal));
    process.on("uncaughtException", (error) => this.#fatal(error));
    process.on("unhandledRejection", (error) => this.#fatal(error as Error));
    try {
      await this.#start();
    } catch (error) {
      if (this.#waiting.signal.aborted && isWait(error)) return 0;
      this.#logger.error("cannot start", { error: (error as Error).message });
      if (error instanceof DiscoveryError) this.#tellDiscoveryFailed(error);
      await this.#close();
      return exitCodeOf(error);
    }
    const code = await ended;
    await this.#close();
    return code;
  }

  /** As etcd says it for whatever fails there (etcdmain/etcd.go). */
  #tellDiscoveryFailed({ message }: Error): void {
    const { registry } = this.#config;
    this.#logger.warn("failed to bootstrap; discovery token was already used", {
      "discovery-token": registry?.token,
      "discovery-endpoints": registry?.endpoints,
      error: message,
    });
    const advice = "do not reuse discovery token; generate a new one to bootstrap a cluster";
    this.#logger.warn(advice);
  }

  async #start(): Promise<void> {
    this.#tls = await openTls(this.#config, this.#logger);
    const peerTls = this.#tls.peer;
    const faults = await openFaults({
      env: this.#env,
      random: this.#random,
      logger: this.#logger,
    });
    const options = memberOptions(this.#config);
    const tokens = createTokens({
      authToken: this.#config.authToken,
      ttlMs: this.#config.authTokenTtlMs,
      below: (n) => this.#random.below(n),
      unixSeconds: () => Date.now() / 1000,
    });
    const ports: MemberPorts = {
      tokens,
      clock: this.#clock,
      random: this.#random,
      disk: createDisk(),
      logger: this.#logger,
      faults,
      openEngine: openRocksEngine,
      sha1: (bytes) => createHash("sha1").update(bytes).digest(),
      crc32c,
      createTransport: (ids, handler) => this.#createTransport(ids, handler, faults),
      askPeer: (url, question) => askPeer(url, { ...question, tls: peerTls }),
      fetchMembers: (urls, signal) => fetchMembers(urls, { tls: peerTls, signal }),
      stopping: this.#waiting.signal,
      lookAt: (url) => lookAt(url, peerTls),
      discovery: createDiscovery({
        config: this.#config,
        clock: this.#clock,
        logger: this.#logger,
        signal: this.#waiting.signal,
        expectName: (name) => peerTls?.expectName(name),
      }),
      measures: this.#measures,
      walObserver: { synced: this.#metrics.feed.walSynced },
      onFatal: (error) => this.#fatal(error),
      onRemoved: () => {
        this.#logger.warn("the member has been permanently removed from the cluster");
        this.#end(exitCodes.removed);
      },
    };
    const booted = await boot(options, ports);
    const member = new Member(options, ports, booted);
    await member.checkData();
    this.#member = member;
    await this.#listenPeers(member);
    await this.#listenClients(member);
    member.whenReady(() => {
      this.#logger.info("ready to serve client requests");
      this.#clientListeners?.tell();
      void forgetFormer(options.dataDir, ports);
    });
    this.#logger.info("starting etcd server", {
      "local-member-id": hexId(member.id),
      "local-server-version": serverVersion,
      "cluster-version": member.clusterVersion ?? "to_be_decided",
    });
    member.start();
    this.#compactor = new Compactor(member, this.#clock, this.#logger, this.#config.autoCompaction);
    this.#compactor.start();
  }

  #createTransport(
    ids: { readonly memberId: MemberId; readonly clusterId: ClusterId },
    handler: ConstructorParameters<typeof Transport>[0]["handler"],
    faults: MemberPorts["faults"],
  ): Transport {
    const { feed } = this.#metrics;
    this.#transport = new Transport({
      identity: {
        localId: ids.memberId,
        clusterId: ids.clusterId,
        peerURLs: texts(this.#config.initialAdvertisePeerUrls),
        serverVersion,
        minClusterVersion,
      },
      handler,
      clock: this.#clock,
      logger: this.#logger,
      faults,
      tls: this.#tls.peer,
      times: {
        dialTimeoutMs: 1000 + this.#config.electionMs,
        readTimeoutMs: this.#config.raftReadTimeoutMs,
        writeTimeoutMs: this.#config.raftWriteTimeoutMs,
      },
      metrics: {
        sent: feed.peerSent,
        received: feed.peerReceived,
        roundTrip: feed.peerRoundTrip,
        sendFailed: feed.peerSendFailed,
        receiveFailed: feed.peerReceiveFailed,
        activity: feed.peerActive,
        snapshotSent: feed.snapshotSent,
        snapshotReceived: feed.snapshotReceived,
      },
    });
    return this.#transport;
  }

  async #listenPeers(member: Member): Promise<void> {
    if (this.#transport === undefined) throw new Error("no transport was made");
    this.#peerListener = new PeerListener({
      clusterId: member.clusterId,
      transport: this.#transport,
      routes: memberRoutes(member, storageVersion),
      tls: this.#tls.peer,
      skipClientSanVerify: this.#config.peerTls?.skipClientSanVerify ?? false,
      reusePort: this.#config.socketReusePort,
      clock: this.#clock,
      logger: this.#logger,
    });
    await this.#peerListener.listen(texts(this.#config.listenPeerUrls));
  }

  async #listenClients(member: Member): Promise<void> {
    const c = this.#config;
    const served = apiMethods({
      member,
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger,
      slowRequestMs: c.warningUnaryRequestDurationMs,
      watchProgressMs: c.watchProgressNotifyIntervalMs || defaultProgressMs,
      passwords: new Passwords({ cost: c.bcryptCost }),
    });
    const methods = servedWhenReady(served, (f) => member.whenReady(f), this.#logger);
    const limits = clientLimits(c, c.quoin.memoryBytes ?? containerLimit());
    if (c.enablePprof) {
      this.#pprof = await Pprof.open(this.#clock);
      this.#logger.info("pprof is enabled", { path: "/debug/pprof" });
    }
    const shown = { member, metrics: this.#metrics };
    const admin = pages({ ...shown, pprof: this.#pprof });
    const listeners = new ClientListeners({
      config: c,
      tls: this.#tls.client,
      // As etcd: profiles are on the clients' port only.
      pages: pages(shown),
      http: this.#clientHttp(member, methods, limits.receiveMessageBytes, admin),
      connectionsMax: limits.connections,
      clock: this.#clock,
      logger: this.#logger,
    });
    this.#clientListeners = listeners;
    const { onHttp1 } = listeners;
    const { onHandled } = this.#metrics;
    const onFields = openHttp2Debug(this.#env, (line) => process.stderr.write(line));
    this.#rpc = createRpcServer({
      methods,
      ...(onHttp1 === undefined ? {} : { onHttp1 }),
      ...(onFields === undefined ? {} : { onFields }),
      ...(onHandled === undefined ? {} : { onHandled }),
      clock: this.#clock,
      logger: this.#logger,
      limits,
    });
    await listeners.listen(this.#rpc);
  }

  /** HTTP/1.1 on the client port: the gateway, then pages, behind the checks of browsers' requests. */
  #clientHttp(
    member: Member,
    methods: ReturnType<typeof apiMethods>,
    requestBytesMax: number,
    admin: RequestListener,
  ): RequestListener {
    const { enableGrpcGateway, cors, hostWhitelist, clientTls } = this.#config;
    const usersByCertificate = (): boolean =>
      clientTls?.clientCertAuth === true && member.authority.enabled;
    const gateway = enableGrpcGateway
      ? new Gateway({ methods, clock: this.#clock, requestBytesMax, usersByCertificate })
      : undefined;
    const access = { origins: cors, hosts: hostWhitelist, logger: this.#logger };
    return withAccess(access, (request, response) => {
      if (gateway?.serve(request, response) !== true) admin(request, response);
    });
  }

  #signalled(signal: string): void {
    const name = signal === "SIGINT" ? "interrupt" : "terminated";
    this.#logger.info("received signal; shutting down", { signal: name });
    this.#waiting.abort(new Error(`received signal ${name}`));
    const handedOver = this.#member?.leadership.handOver(handOverMs) ?? Promise.resolve();
    handedOver.finally(() => this.#end(0)).catch((error: Error) => this.#fatal(error));
  }

  /** What cannot be survived: a wrong member is worse than a dead one. */
  #fatal(error: Error): void {
    this.#logger.error("fatal", { error: error.message, stack: error.stack });
    process.exit(exitCodeOf(error));
  }

  async #close(): Promise<void> {
    const { name, dataDir } = this.#config;
    this.#logger.info("closing etcd server", { name, "data-dir": dataDir });
    await this.#closeAll();
    this.#logger.info("closed etcd server", { name, "data-dir": dataDir });
  }

  async #closeAll(): Promise<void> {
    this.#compactor?.stop();
    this.#pprof?.close();
    this.#clientListeners?.stop();
    const drained = this.#rpc?.drain(drainMs);
    // Who still waits by then (for a leader, perhaps) is told before the connection is cut.
    const cancel = this.#clock.after(drainMs / 2, () => void this.#member?.stop());
    await drained;
    cancel();
    await this.#member?.stop();
    await this.#rpc?.close();
    await this.#peerListener?.close();
    await this.#transport?.close();
    await this.#clientListeners?.close();
  }
}

/** What a signal cuts short before there is a member. */
const isWait = (error: unknown): boolean =>
  error instanceof DiscoveryError || (error instanceof BootError && error.code === "join");

const texts = (urls: readonly MemberUrl[]): string[] => urls.map((u) => u.text);

/**
 * The metrics page: etcd's names (etcd-mixin's alerts and dashboards work as they are). Figures stand
 * where they arise, in plain numbers, and are read when the page is.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { serverVersion } from "../../core/membership/index.ts";
import { hexId } from "../../core/types.ts";
import { Distribution, exponential } from "../../lib/distribution.ts";
import type { RpcServer } from "../../rpc/index.ts";
import type { Measures, Member } from "../../server/index.ts";
import { distributions, labelled, memberCounters, memberGauges, peers } from "./member-metrics.ts";
import { emptyCounters, emptyGauges, emptyHistograms } from "./metric-names.ts";
import { addHistogram, addReadings, type Labels } from "./page-metrics.ts";
import { addPeerMetrics, type PeerFeed } from "./peer-metrics.ts";
import { addProcessMetrics } from "./process-metrics.ts";
import { addHandlingTimes, addRpcMetrics, type OnHandled } from "./rpc-metrics.ts";

export interface MetricsSources {
  readonly member: () => Member | undefined;
  /** What the member measures; there before it is. */
  readonly measures: Measures;
  readonly rpc: () => RpcServer | undefined;
  readonly quoinVersion: string;
  /** --metrics=extensive: also how long calls take. */
  readonly extensive: boolean;
  /** Gates by name: on or off, and whether they are beta. */
  readonly gates: readonly {
    readonly name: string;
    readonly on: boolean;
    readonly beta: boolean;
  }[];
}

/** What the WAL, peers and health checks tell. */
export interface MetricsFeed extends PeerFeed {
  readonly walSynced: (seconds: number, bytes: number) => void;
  /** /health was asked. */
  readonly healthChecked: (healthy: boolean) => void;
}

export class Metrics {
  readonly registry = new Registry();
  readonly feed: MetricsFeed;
  /** For the gRPC server; undefined: not with --metrics=basic. */
  readonly onHandled: OnHandled | undefined;
  readonly #sources: MetricsSources;
  readonly #scrapes = new Map<string, number>([
    ["200", 0],
    ["500", 0],
    ["503", 0],
  ]);
  #scraping = 0;

  constructor(sources: MetricsSources) {
    this.#sources = sources;
    const { registry } = this;
    const { rpc, measures, extensive } = sources;
    collectDefaultMetrics({ register: registry });
    addProcessMetrics(registry);
    this.#memberMetrics(measures);
    this.#nothing();
    addRpcMetrics(registry, rpc);
    this.onHandled = extensive ? addHandlingTimes(registry, rpc) : undefined;
    this.#info();
    this.#loopDelay();
    this.#scrapeMetrics();
    this.feed = { ...this.#localFeed(), ...addPeerMetrics(registry, () => this.#localId()) };
  }

  /** The page in Prometheus' text format. */
  async page(): Promise<{ readonly contentType: string; readonly body: string }> {
    this.#scraping++;
    let code = "500";
    try {
      const body = await this.registry.metrics();
      code = "200";
      return { contentType: this.registry.contentType, body };
    } finally {
      this.#scraping--;
      this.#scrapes.set(code, (this.#scrapes.get(code) ?? 0) + 1);
    }
  }

  #localId(): string | undefined {
    const member = this.#sources.member();
    return member && hexId(member.id);
  }

  #memberMetrics(measures: Measures): void {
    const { registry } = this;
    const { member, gates } = this.#sources;
    const one = (value: (m: Member) => number) => (): [Labels, number][] => {
      const m = member();
      return m === undefined ? [] : [[{}, value(m)]];
    };
    for (const [name, help, value] of memberGauges) {
      addReadings(registry, "gauge", name, help, one(value));
    }
    for (const [name, help, value] of memberCounters) {
      addReadings(registry, "counter", name, help, one(value));
    }
    for (const [name, help, of] of distributions) {
      addHistogram(registry, name, help, () => [[{}, of(measures)]]);
    }
    for (const [name, help, read] of labelled) {
      addHistogram(registry, name, help, () => read(measures));
    }
    for (const which of ["known", "active"] as const) {
      const name = `etcd_network_${which}_peers`;
      addReadings(registry, "gauge", name, `Peers that are ${which}.`, () => {
        const m = member();
        return m === undefined ? [] : peers(m, which);
      });
    }
    const failed = "etcd_server_learner_promote_failures";
    addReadings(registry, "counter", failed, "Promotions refused, by reason.", () =>
      [...measures.promotionsFailed].map(([Reason, n]) => [{ Reason }, n]),
    );
    const enabled = "etcd_server_feature_enabled";
    addReadings(registry, "gauge", enabled, "Feature gates: 1 is on.", () =>
      gates.map(({ name, on, beta }) => [{ name, stage: beta ? "BETA" : "ALPHA" }, Number(on)]),
    );
  }

  /** What etcd has and Quoin has not. */
  #nothing(): void {
    const registers = [this.registry];
    const help = "Nothing in Quoin.";
    for (const name of emptyGauges) new Gauge({ name, help, registers }).set(0);
    for (const name of emptyCounters) new Counter({ name, help, registers });
    for (const [name, empty] of emptyHistograms) {
      addHistogram(this.registry, name, help, () => [[{}, empty]]);
    }
  }

  #localFeed(): Pick<MetricsFeed, "walSynced" | "healthChecked"> {
    const registers = [this.registry];
    const sync = new Distribution(exponential(0.001, 2, 14));
    const fsyncs = "etcd_disk_wal_fsync_duration_seconds";
    addHistogram(this.registry, fsyncs, "Durable writes of the WAL.", () => [[{}, sync]]);
    let bytesWritten = 0;
    const written = "etcd_disk_wal_write_bytes_total";
    // A gauge in etcd, too.
    addReadings(this.registry, "gauge", written, "Bytes written to the WAL.", () => [
      [{}, bytesWritten],
    ]);
    const health = (name: string) =>
      new Counter({ name: `etcd_server_health_${name}`, help: `Checks: ${name}.`, registers });
    const success = health("success");
    const failures = health("failures");
    return {
      walSynced: (seconds, bytes) => {
        sync.observe(seconds);
        bytesWritten += bytes;
      },
      healthChecked: (ok) => (ok ? success : failures).inc(),
    };
  }

  #info(): void {
    const { registry } = this;
    const { member, quoinVersion } = this.#sources;
    const info = (name: string, help: string, read: () => Labels | undefined): void => {
      addReadings(registry, "gauge", name, help, () => {
        const labels = read();
        return labels === undefined ? [] : [[labels, 1]];
      });
    };
    info("etcd_server_version", "The etcd version spoken.", () => ({
      server_version: serverVersion,
    }));
    info("etcd_cluster_version", "The version the cluster speaks.", () => {
      const version = member()?.clusterVersion;
      const [major, minor] = version?.split(".") ?? [];
      return version === undefined ? undefined : { cluster_version: `${major}.${minor}` };
    });
    info("quoin_version", "Quoin's own version.", () => ({ version: quoinVersion }));
    info("etcd_server_id", "Member id in hexadecimal.", () => {
      const id = this.#localId();
      return id === undefined ? undefined : { server_id: id };
    });
  }

  #scrapeMetrics(): void {
    const name = "promhttp_metric_handler_requests";
    addReadings(this.registry, "counter", `${name}_total`, "Scrapes, by HTTP status.", () =>
      [...this.#scrapes].map(([code, n]) => [{ code }, n]),
    );
    addReadings(this.registry, "gauge", `${name}_in_flight`, "Scrapes under way.", () => [
      [{}, this.#scraping],
    ]);
  }

  #loopDelay(): void {
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    const name = "quoin_event_loop_delay_max_seconds";
    addReadings(this.registry, "gauge", name, "Longest turn since the last scrape.", () => {
      const seconds = delay.max / 1e9;
      delay.reset();
      return [[{}, seconds]];
    });
  }
}

/** The controllers of EtcdBackup and EtcdBackupSchedule: observe, plan, write status, act one step. */
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "../../ports/index.ts";
import {
  actSignal,
  type ControllerOptions,
  type KindController,
  mayAct,
  type PassResult,
} from "../kinds.ts";
import { labelComponent } from "../resources/index.ts";
import { isConflict, KubeError, resourceOf, resources } from "../runtime/index.ts";
import type { EtcdBackup, EtcdBackupSchedule, KubeObject } from "../types/index.ts";
import { act } from "./act.ts";
import {
  componentDelete,
  componentSave,
  labelBackup,
  labelJobName,
  labelOf,
  labelSchedule,
} from "./names.ts";
import { observeBackup, observeSchedule } from "./observe.ts";
import type { News, Plan, Step } from "./plan.ts";
import { isEnded, planBackup } from "./plan-backup.ts";
import { planSchedule } from "./plan-schedule.ts";

export class BackupController implements KindController<EtcdBackup> {
  readonly resource = resources.etcdBackups;
  readonly children = [resources.jobs, resources.pods];
  readonly #o: ControllerOptions;
  /** The newest success whose figures are shown, by cluster and schedule. */
  readonly #shown = new Map<string, { readonly endMs: number }>();

  constructor(options: ControllerOptions) {
    this.#o = options;
  }

  /** Jobs that save have the backup's name. */
  concerns(object: KubeObject): readonly (string | undefined)[] {
    const component = labelOf(object, labelComponent);
    if (component === componentDelete) return [labelOf(object, labelBackup)];
    if (component !== componentSave) return [];
    return [object.kind === "Job" ? object.metadata.name : labelOf(object, labelJobName)];
  }

  async pass(backup: EtcdBackup, logger: Logger, signal: AbortSignal): Promise<PassResult> {
    const { api, defaultImage, clock } = this.#o;
    const nowMs = clock.wallMs();
    const isOver = isEnded(backup.status) && backup.metadata.deletionTimestamp === undefined;
    const observed = isOver
      ? { backup, defaultImage, nowMs }
      : await observeBackup(backup, { api, defaultImage, nowMs, signal });
    const plan = planBackup(observed);
    const result = await carryOut(backup, plan, this.#o, logger, signal);
    this.#measure(backup, plan.status);
    return result;
  }

  forget(): void {}

  #measure(backup: EtcdBackup, status: NonNullable<EtcdBackup["status"]>): void {
    const { backup: metrics } = this.#o.metrics;
    const labels = {
      namespace: backup.metadata.namespace ?? "",
      cluster: backup.spec.clusterRef.name,
      schedule: labelOf(backup, labelSchedule) ?? "",
    };
    const { phase, startTime, completionTime, artifact, reason = "Failed" } = status;
    if (phase === "Failed" || phase === "Unknown") {
      if (!isEnded(backup.status)) metrics.failures.inc({ ...labels, reason });
      return;
    }
    if (phase !== "Succeeded") return;
    const endMs = Date.parse(completionTime ?? "");
    const key = JSON.stringify(labels);
    if (!(endMs > (this.#shown.get(key)?.endMs ?? 0))) return;
    this.#shown.set(key, { endMs });
    metrics.lastSuccess.set(labels, endMs / 1000);
    metrics.sizeBytes.set(labels, artifact?.sizeBytes ?? 0);
    metrics.durationSeconds.set(labels, (endMs - Date.parse(startTime ?? "")) / 1000);
    // Of a schedule, its own controller knows better: the newest that counts may be an older one.
    if (labels.schedule === "" && status.verified && startTime) {
      metrics.lastVerified.set(labels, Date.parse(startTime) / 1000);
    }
  }
}

export class BackupScheduleController implements KindController<EtcdBackupSchedule> {
  readonly resource = resources.etcdBackupSchedules;
  readonly children = [resources.cronJobs, resources.jobs];
  readonly #o: ControllerOptions;
  /** Cluster by schedule, for the labels of figures to take away. */
  readonly #clusters = new Map<string, string>();

  constructor(options: ControllerOptions) {
    this.#o = options;
  }

  /** CronJob, Jobs and EtcdBackups. */
  concerns(object: KubeObject): readonly (string | undefined)[] {
    return object.kind === "Pod" ? [] : [labelOf(object, labelSchedule)];
  }

  async pass(
    schedule: EtcdBackupSchedule,
    logger: Logger,
    signal: AbortSignal,
  ): Promise<PassResult> {
    const { api, defaultImage, clock } = this.#o;
    const context = { api, defaultImage, nowMs: clock.wallMs(), signal };
    const plan = planSchedule(await observeSchedule(schedule, context));
    const result = await carryOut(schedule, plan, this.#o, logger, signal);
    this.#measure(schedule, plan.status);
    return result;
  }

  forget(namespace: string, name: string): void {
    const key = `${namespace}/${name}`;
    const labels = { namespace, cluster: this.#clusters.get(key) ?? "", schedule: name };
    const { failures, ...gauges } = this.#o.metrics.backup;
    for (const gauge of Object.values(gauges)) gauge.remove(labels);
    this.#clusters.delete(key);
  }

  #measure(schedule: EtcdBackupSchedule, status: NonNullable<EtcdBackupSchedule["status"]>): void {
    const { namespace = "", name } = schedule.metadata;
    const cluster = schedule.spec.clusterRef.name;
    const labels = { namespace, cluster, schedule: name };
    this.#clusters.set(`${namespace}/${name}`, cluster);
    const { ready, rpoSeconds, lastVerified, failuresInARow } = this.#o.metrics.backup;
    failuresInARow.set(labels, status.consecutiveFailures ?? 0);
    ready.set(labels, status.conditions?.[0]?.status === "True" ? 1 : 0);
    if (schedule.spec.rpoSeconds === undefined) rpoSeconds.remove(labels);
    else rpoSeconds.set(labels, schedule.spec.rpoSeconds);
    if (status.lastVerifiedTime === undefined) lastVerified.remove(labels);
    else lastVerified.set(labels, Date.parse(status.lastVerifiedTime) / 1000);
  }
}

/** Status first, so that what is begun is on record; then the step. */
async function carryOut<T extends KubeObject>(
  object: T,
  plan: Plan<T["status"]>,
  o: ControllerOptions,
  logger: Logger,
  signal: AbortSignal,
): Promise<PassResult> {
  const { status, step, news, requeueMs } = plan;
  let written: KubeObject = object;
  if (!isDeepStrictEqual(status, object.status ?? {})) {
    written = await o.api.replaceStatus(resourceOf(object.kind), { ...object, status }, signal);
  }
  if (news !== undefined) tell(object, news, o, logger);
  const may = mayAct(o.leaseRemainingMs());
  if (!may) logger.warn("not acting: the leader lease is about to run out");
  if (step === undefined || !may) {
    o.metrics.passes.inc({ result: "wait" });
    return requeueMs === undefined ? {} : { requeueMs };
  }
  logger.info("acting", { step: step.kind, on: nameOf(step) ?? object.metadata.name });
  try {
    await act(step, written, o.api, actSignal(o.leaseRemainingMs(), signal));
    o.metrics.steps.inc({ kind: step.kind, result: "done" });
  } catch (error) {
    o.metrics.steps.inc({ kind: step.kind, result: "error" });
    if (isConflict(error)) throw error;
    const { ifNamespaceEnds } = plan;
    if (!isNamespaceEnding(error) || ifNamespaceEnds === undefined) {
      await tellRefusal(object, written, plan, error, o, signal);
      throw error;
    }
    tell(object, ifNamespaceEnds.news, o, logger);
    await act(ifNamespaceEnds.step, written, o.api, actSignal(o.leaseRemainingMs(), signal));
  }
  o.metrics.passes.inc({ result: "step" });
  return { requeueMs: 0 };
}

function nameOf(step: Step): string | undefined {
  if ("object" in step) return `${step.object.kind} ${step.object.metadata.name}`;
  if (step.kind === "delete") return `${step.target} ${step.name}`;
  return step.kind === "adopted" ? `Job ${step.job}` : undefined;
}

const isNamespaceEnding = (error: unknown): boolean =>
  error instanceof KubeError && error.status === 403 && /being terminated/.test(error.message);

function tell(about: KubeObject, news: News, o: ControllerOptions, logger: Logger): void {
  const { type, reason, message } = news;
  logger.info("news", { reason, detail: message });
  o.events.tell(about, { type, reason, action: "Backup", note: message });
}

async function tellRefusal<T extends KubeObject>(
  object: T,
  written: KubeObject,
  { step, status, refused }: Plan<T["status"]>,
  error: unknown,
  { api, events }: ControllerOptions,
  signal: AbortSignal,
): Promise<void> {
  const note = error instanceof Error ? error.message : String(error);
  events.tell(object, { type: "Warning", reason: "StepFailed", action: step?.kind ?? "", note });
  const told = refused?.(note.slice(0, 1_000));
  if (told === undefined || isDeepStrictEqual(told, status)) return;
  await api.replaceStatus(resourceOf(object.kind), { ...written, status: told }, signal);
}

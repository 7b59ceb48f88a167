// Deployments that come, grow, change and go, and Jobs that are to complete: work for the controllers.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import {
  type KubeApi,
  orUndefined,
  type Resource,
  resources,
} from "../../src/operator/runtime/index.ts";
import type { KubeObject, V1PodTemplateSpec } from "../../src/operator/types/index.ts";
import { NotYet, until } from "../../test/until.ts";

const deployments: Resource = {
  group: "apps",
  apiVersion: "apps/v1",
  kind: "Deployment",
  plural: "deployments",
};

type Deployment = KubeObject<
  { readonly replicas: number; readonly template: V1PodTemplateSpec },
  {
    readonly observedGeneration?: number;
    readonly availableReplicas?: number;
    readonly updatedReplicas?: number;
    readonly replicas?: number;
  }
>;
type Job = KubeObject<object, { readonly succeeded?: number; readonly completionTime?: string }>;

const deploymentCount = 4;
const jobsKept = 6;
const stepMs = 1500;
const settleSeconds = 120;

/** The nodes' own first process: runs until told to end, or ends at once when given an argument. */
const podSpec = (args: string[]): object => ({
  containers: [{ name: "main", image: "localhost/pause:1", imagePullPolicy: "Never", args }],
  terminationGracePeriodSeconds: 1,
  automountServiceAccountToken: false,
});

/** One step every 1.5 s, until `finish`, which waits for what the controllers make of the last state. */
export class Workloads implements AsyncDisposable {
  readonly #api: KubeApi;
  readonly #namespace: string;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #steps = 0;
  #jobs = 0;
  #unanswered = 0;
  #failure: unknown;

  constructor(api: KubeApi, namespace: string) {
    this.#api = api;
    this.#namespace = namespace;
    this.#running = this.#work().catch((error) => {
      this.#failure = error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Once all Deployments are available in their last form and all Jobs complete. */
  async finish(): Promise<string> {
    await this[Symbol.asyncDispose]();
    if (this.#failure !== undefined) throw this.#failure;
    for (let slot = 0; slot < deploymentCount; slot++) {
      await until(`Deployment ${slot} to exist`, () => this.#ensure(slot));
    }
    await until("all to be available and complete", () => this.#isSettled(), settleSeconds);
    return `workloads: ${this.#steps} steps, ${this.#jobs} Jobs, ${this.#unanswered} requests answered by an error`;
  }

  async #work(): Promise<void> {
    for (; !this.#stop.signal.aborted; this.#steps++) {
      try {
        if (this.#steps % 3 === 0) await this.#nextJob();
        else await this.#nextDeployment(this.#steps % deploymentCount);
      } catch (error) {
        const status = (error as { status?: number }).status;
        if (status === undefined) throw error;
        this.#unanswered++;
      }
      await pause(stepMs);
    }
  }

  async #nextJob(): Promise<void> {
    const metadata = { name: `job-${this.#jobs}`, namespace: this.#namespace };
    const template = { spec: { ...podSpec(["done"]), restartPolicy: "Never" } };
    const { apiVersion, kind } = resources.jobs;
    const job = { apiVersion, kind, metadata, spec: { completions: 2, parallelism: 2, template } };
    this.#jobs++;
    await this.#api.create(resources.jobs, job);
    const old = `job-${this.#jobs - 1 - jobsKept}`;
    if (this.#jobs > jobsKept) {
      await orUndefined(this.#api.delete(resources.jobs, this.#namespace, old));
    }
  }

  /** Absent, one replica, two replicas, another template, and absent again. */
  async #nextDeployment(slot: number): Promise<void> {
    const name = `deployment-${slot}`;
    const found = await orUndefined(this.#api.get<Deployment>(deployments, this.#namespace, name));
    const spec = found?.spec;
    if (spec === undefined) await this.#ensure(slot);
    else if (spec.replicas === 1) await this.#patch(name, { replicas: 2 });
    else if (spec.template.metadata?.annotations?.["story"] === undefined) {
      const metadata = { annotations: { story: String(this.#steps) } };
      await this.#patch(name, { template: { metadata } });
    } else await this.#api.delete(deployments, this.#namespace, name);
  }

  async #patch(name: string, spec: object): Promise<void> {
    await this.#api.patch(deployments, this.#namespace, name, { spec });
  }

  async #ensure(slot: number): Promise<boolean> {
    const name = `deployment-${slot}`;
    if (await orUndefined(this.#api.get(deployments, this.#namespace, name))) return true;
    const labels = { app: name };
    await this.#api.create(deployments, {
      apiVersion: deployments.apiVersion,
      kind: deployments.kind,
      metadata: { name, namespace: this.#namespace },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec([]) },
      },
    } as KubeObject);
    return true;
  }

  async #isSettled(): Promise<boolean> {
    const namespace = this.#namespace;
    const { items } = await this.#api.list<Deployment>(deployments, { namespace });
    const behind = items.filter(({ metadata, spec, status }) => {
      const counts = [status?.availableReplicas, status?.updatedReplicas, status?.replicas];
      const isSeen =
        status?.observedGeneration === (metadata as { generation?: number }).generation;
      return !isSeen || counts.some((count) => count !== spec?.replicas);
    });
    const jobs = (await this.#api.list<Job>(resources.jobs, { namespace })).items;
    const open = jobs.filter((job) => job.status?.completionTime === undefined);
    if (behind.length + open.length > 0) {
      throw new NotYet([...behind, ...open].map((it) => it.metadata.name).join(", "));
    }
    assert.equal(items.length, deploymentCount);
    assert.ok(jobs.length > 0);
    return true;
  }
}

/**
 * The Kubernetes API over node:https. The client library gives configuration and credentials only
 * (its watch and informer stop for good on some errors, research/operators.md 7).
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import { fieldManager } from "../resources/index.ts";
import type { KubeObject } from "../types/index.ts";
import { KubeError } from "./kube-error.ts";
import { objectPath, type Resource, resourcePath } from "./resource.ts";

export interface ListOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly resourceVersion?: string;
  /** Objects per request; the whole list is returned all the same. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface KubeList<T> {
  readonly resourceVersion: string;
  readonly items: readonly T[];
}

export interface WatchOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly resourceVersion: string;
  /** The server ends the stream after this long. */
  readonly timeoutSeconds: number;
  /** Without a byte for this long the connection counts as dead. */
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal;
}

export interface WatchEvent<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: T;
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

/** Requests to one API server. Every call throws KubeError, or the signal's reason. */
export class KubeApi {
  readonly #config: KubeConfig;
  readonly #server: URL;
  #agent: { readonly key: string; readonly agent: Agent } | undefined;

  constructor(config: KubeConfig) {
    const cluster = config.getCurrentCluster();
    if (cluster === null)
      throw new Error("choose a cluster: the kubeconfig has no current context");
    this.#config = config;
    this.#server = new URL(cluster.server);
  }

  get<T extends KubeObject>(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#json({ method: "GET", path: objectPath(resource, namespace, name), signal });
  }

  /** A consistent list (unless a resourceVersion is asked for), page by page. */
  async list<T extends KubeObject>(
    resource: Resource,
    options: ListOptions = {},
  ): Promise<KubeList<T>> {
    const items: T[] = [];
    let next = "";
    for (;;) {
      const query = new URLSearchParams({ limit: String(options.pageSize ?? 500) });
      if (options.labelSelector) query.set("labelSelector", options.labelSelector);
      if (options.fieldSelector) query.set("fieldSelector", options.fieldSelector);
      if (next) query.set("continue", next);
      else if (options.resourceVersion) query.set("resourceVersion", options.resourceVersion);
      const path = `${resourcePath(resource, options.namespace)}?${query}`;
      const page: ListPage<T> = await this.#json({ method: "GET", path, signal: options.signal });
      // Items of a list carry neither kind nor apiVersion.
      const { apiVersion, kind } = resource;
      for (const item of page.items) items.push({ ...item, apiVersion, kind });
      next = page.metadata.continue ?? "";
      if (next === "") return { resourceVersion: page.metadata.resourceVersion, items };
    }
  }

  /** POST; throws Conflict when the object exists. */
  create<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T> {
    const path = `${resourcePath(resource, object.metadata.namespace)}?fieldManager=${fieldManager}`;
    return this.#json({ method: "POST", path, body: object, signal });
  }

  /** PUT of the status subresource; throws Conflict unless `object` has the live resourceVersion. */
  replaceStatus<T extends KubeObject>(
    resource: Resource,
    object: T,
    signal?: AbortSignal,
  ): Promise<T> {
    const { namespace, name } = object.metadata;
    const path = `${objectPath(resource, namespace, name)}/status?fieldManager=${fieldManager}`;
    return this.#json({ method: "PUT", path, body: object, signal });
  }

  replace<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T> {
    const { namespace, name } = object.metadata;
    const path = `${objectPath(resource, namespace, name)}?fieldManager=${fieldManager}`;
    return this.#json({ method: "PUT", path, body: object, signal });
  }

  /** Server-side apply. `force` takes fields over from other managers. */
  apply<T extends KubeObject>(
    resource: Resource,
    object: T,
    options: { readonly force: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<T> {
    const { namespace, name } = object.metadata;
    const query = `fieldManager=${fieldManager}&force=${options.force}`;
    return this.#json({
      method: "PATCH",
      path: `${objectPath(resource, namespace, name)}?${query}`,
      body: object,
      contentType: "application/apply-patch+yaml",
      signal: options.signal,
    });
  }

  /** JSON merge patch; put uid and resourceVersion into its metadata to make them conditions. */
  patch<T extends KubeObject>(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    body: unknown,
    signal?: AbortSignal,
  ): Promise<T> {
    const path = `${objectPath(resource, namespace, name)}?fieldManager=${fieldManager}`;
    const contentType = "application/merge-patch+json";
    return this.#json({ method: "PATCH", path, body, contentType, signal });
  }

  /** Deletes the object with this uid (and version); children go by `propagation`. */
  async delete(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    options: {
      readonly uid?: string | undefined;
      readonly resourceVersion?: string | undefined;
      readonly propagation?: "Background" | "Foreground";
      readonly signal?: AbortSignal | undefined;
    } = {},
  ): Promise<void> {
    const { uid, resourceVersion, signal } = options;
    const body = {
      kind: "DeleteOptions",
      apiVersion: "v1",
      propagationPolicy: options.propagation ?? "Background",
      preconditions: { ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) },
    };
    const path = objectPath(resource, namespace, name);
    await this.#json({ method: "DELETE", path, body, signal });
  }

  /** Events from `resourceVersion` on, until the server ends the stream; throws KubeError. */
  async *watch<T extends KubeObject>(
    resource: Resource,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    const query = new URLSearchParams({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(options.timeoutSeconds),
    });
    if (options.labelSelector) query.set("labelSelector", options.labelSelector);
    const path = `${resourcePath(resource, options.namespace)}?${query}`;
    const response = await this.#send({ method: "GET", path, signal: options.signal });
    response.setTimeout(options.idleTimeoutMs, () => {
      response.destroy(new KubeError(0, "Idle", `no byte for ${options.idleTimeoutMs} ms`));
    });
    try {
      if (response.statusCode !== 200) throw await refusal(response);
      for await (const line of lines(response)) {
        const event = JSON.parse(line) as WatchEvent<T>;
        if (event.type === "ERROR") throw fromStatus(event.object);
        yield event;
      }
    } finally {
      response.destroy();
    }
  }

  async #json<T>(call: Call): Promise<T> {
    const response = await this.#send({ timeoutMs: 30_000, ...call });
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) throw await refusal(response);
    return JSON.parse(await text(response)) as T;
  }

  async #send(call: Call): Promise<IncomingMessage> {
    const options: RequestOptions = { method: call.method, headers: {} };
    await this.#config.applyToHTTPSOptions(options as never);
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    options.headers = {
      ...(options.headers as Record<string, string>),
      accept: "application/json",
      "user-agent": fieldManager,
      ...(body === undefined
        ? {}
        : {
            "content-type": call.contentType ?? "application/json",
            "content-length": String(Buffer.byteLength(body)),
          }),
    };
    if (call.signal) options.signal = call.signal;
    this.#reuseConnections(options);
    const url = new URL(this.#server.pathname.replace(/\/$/, "") + call.path, this.#server);
    return exchange(url, options, body, call.timeoutMs);
  }

  /** The library's agent opens a connection per request; ours keeps them, per set of keys. */
  #reuseConnections(options: RequestOptions): void {
    if (this.#server.protocol !== "https:" || options.agent?.constructor !== Agent) return;
    const { ca, cert, key, servername, rejectUnauthorized } = options;
    const identity = [ca, cert, key, servername, rejectUnauthorized].map(String).join("|");
    if (this.#agent?.key !== identity) {
      const tls = { ca, cert, key, servername, rejectUnauthorized };
      const given = Object.fromEntries(Object.entries(tls).filter(([, v]) => v !== undefined));
      this.#agent?.agent.destroy();
      this.#agent = { key: identity, agent: new Agent({ keepAlive: true, ...given }) };
    }
    options.agent = this.#agent.agent;
  }

  /** Closes idle connections. */
  close(): void {
    this.#agent?.agent.destroy();
    this.#agent = undefined;
  }
}

interface ListPage<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

function exchange(
  url: URL,
  options: RequestOptions,
  body: string | undefined,
  timeoutMs: number | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const request = send(url, options, (response) => resolve(response));
    // Covers the answer's body too: a silent server must not hold a pass for ever.
    if (timeoutMs !== undefined) {
      request.setTimeout(timeoutMs, () =>
        request.destroy(new KubeError(0, "Timeout", `no answer within ${timeoutMs} ms`)),
      );
    }
    request.on("error", (error) => {
      if (options.signal?.aborted) reject(options.signal.reason);
      else reject(asKubeError(error));
    });
    request.end(body);
  });
}

const asKubeError = (error: unknown): KubeError =>
  error instanceof KubeError
    ? error
    : new KubeError(
        0,
        "Unreachable",
        error instanceof Error ? error.message : String(error),
        error,
      );

async function text(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch (error) {
    throw asKubeError(error);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function refusal(response: IncomingMessage): Promise<KubeError> {
  const body = await text(response);
  try {
    return fromStatus(JSON.parse(body), response.statusCode);
  } catch {
    return new KubeError(response.statusCode ?? 0, "", body.slice(0, 500));
  }
}

function fromStatus(object: unknown, httpStatus?: number): KubeError {
  const { code, reason, message } = object as { code?: number; reason?: string; message?: string };
  return new KubeError(code ?? httpStatus ?? 0, reason ?? "", message ?? "refused");
}

/** Whole lines of a stream; a rest without a newline is an unfinished event and is dropped. */
async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response) {
      const parts = (rest + decoder.decode(chunk as Buffer, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) if (line !== "") yield line;
    }
  } catch (error) {
    throw asKubeError(error);
  }
}

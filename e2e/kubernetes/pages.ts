// Lists page by page, as the API server's clients ask for them.

import { request } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import type { KubeObject } from "../../src/operator/types/index.ts";
import { Hopeless } from "../../test/until.ts";
import type { Snapshot } from "./history.ts";

/** The body of a 200: a page of a list; of a 410: a Status whose `continue` begins a list of now. */
export interface Page {
  readonly reason?: string;
  readonly metadata: {
    readonly resourceVersion?: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items?: readonly KubeObject[];
}

const timeoutMs = 30_000;

/** One GET, whatever the status. Throws where there is no answer. */
export async function get(
  config: KubeConfig,
  path: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const options = {};
  await config.applyToHTTPSOptions(options as never);
  const url = `${config.getCurrentCluster()?.server}${path}`;
  return new Promise((resolve, reject) => {
    const sent = request(url, { ...options, timeout: timeoutMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
      });
    });
    sent.on("timeout", () => sent.destroy(new Error(`no answer for ${timeoutMs} ms: ${path}`)));
    sent.on("error", reject);
    sent.end();
  });
}

/** A page of a collection's list, from the beginning or where `token` says. */
export async function getPage(
  config: KubeConfig,
  path: string,
  limit: number,
  token?: string,
): Promise<{ readonly status: number; readonly page: Page }> {
  const query = new URLSearchParams({ limit: String(limit) });
  if (token !== undefined) query.set("continue", token);
  const { status, body } = await get(config, `${path}?${query}`);
  return { status, page: JSON.parse(body) as Page };
}

/**
 * A whole list; undefined when its continue token expired on the way or the server could not answer. Throws
 * Hopeless where the pages are not of one list: no wait may try that away.
 */
export async function pagedList(
  config: KubeConfig,
  path: string,
  limit: number,
): Promise<Snapshot | undefined> {
  const versions = new Map<string, number>();
  let token: string | undefined;
  let revision: string | undefined;
  do {
    const answer = await getPage(config, path, limit, token).catch(() => undefined);
    if (answer === undefined || answer.status !== 200) return undefined;
    const { items = [], metadata } = answer.page;
    revision ??= metadata.resourceVersion;
    if (revision !== metadata.resourceVersion) {
      throw new Hopeless(`a list at ${revision} went on at ${metadata.resourceVersion}`);
    }
    for (const { metadata: it } of items) {
      if (versions.has(it.name)) throw new Hopeless(`${it.name} is on two pages of the list`);
      versions.set(it.name, Number(it.resourceVersion));
    }
    token = metadata.continue || undefined;
  } while (token !== undefined);
  return { revision: Number(revision), versions };
}

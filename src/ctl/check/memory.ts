import { get as getPlain } from "node:http";
import { get as getSecure } from "node:https";
import { text } from "node:stream/consumers";
import type { TlsOptions } from "../../client/index.ts";

const metric = "process_resident_memory_bytes";
const timeoutMs = 10_000;

/** What a server's /metrics says of its own memory; 0 with the reason where it does not. */
export async function residentBytes(
  endpoint: string,
  tls: TlsOptions | undefined,
): Promise<{ readonly bytes: number; readonly failure?: string }> {
  const host = /^https?:\/\//.test(endpoint) ? endpoint : `http://${endpoint}`;
  let page: string;
  try {
    page = await fetchText(`${host}/metrics`, tls);
  } catch (error) {
    return { bytes: 0, failure: `fetch error: ${(error as Error).message}` };
  }
  const line = page.split("\n").find((l) => l.startsWith(metric));
  const bytes = Number(line?.slice(metric.length).trim() ?? Number.NaN);
  return Number.isFinite(bytes) ? { bytes } : { bytes: 0, failure: `could not find: ${metric}` };
}

function fetchText(url: string, tls: TlsOptions | undefined): Promise<string> {
  const buffer = (bytes: Uint8Array | undefined): Buffer | undefined => bytes && Buffer.from(bytes);
  const options = {
    timeout: timeoutMs,
    ca: buffer(tls?.ca),
    cert: buffer(tls?.cert),
    key: buffer(tls?.key),
    rejectUnauthorized: tls?.insecureSkipVerify !== true,
  };
  return new Promise((resolve, reject) => {
    const request = (url.startsWith("https:") ? getSecure : getPlain)(url, options, (response) => {
      text(response).then(resolve, reject);
    });
    request.once("timeout", () => request.destroy(new Error(`${url}: no answer`)));
    request.once("error", reject);
  });
}

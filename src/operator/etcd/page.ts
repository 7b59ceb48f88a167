/** The JSON pages that a member has beside its services, on the same port. */
import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { json } from "node:stream/consumers";
import type { MemberTls } from "./admin.ts";

const timeoutMs = 1_000;

/** Undefined where there is none, or no answer within a second. */
export async function page(
  endpoint: string,
  path: string,
  tls: MemberTls | undefined,
  signal: AbortSignal,
): Promise<Record<string, unknown> | undefined> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    return await new Promise((resolve, reject) => {
      // A new connection each time: what was kept may have been made with other certificates.
      const options = { agent: false, signal: bounded } as const;
      const url = `${endpoint}${path}`;
      const request =
        tls === undefined
          ? requestPlain(url, options)
          : requestSecure(url, { ...options, ...secureOptions(tls) });
      request.on("error", reject);
      request.on("response", (response) => {
        json(response).then((body) => resolve(body as Record<string, unknown>), reject);
      });
      request.end();
    });
  } catch {
    return undefined;
  }
}

const secureOptions = ({ ca, cert, key, serverName }: MemberTls) => ({
  ...{ ca, cert, key },
  servername: serverName,
  allowPartialTrustChain: true,
});

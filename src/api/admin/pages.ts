/** The HTTP/1.1 pages of the client port and of --listen-metrics-urls. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { hexId, noMember } from "../../core/types.ts";
import type { Member } from "../../server/index.ts";
import { versionJson } from "../../server/index.ts";
import { type HttpAnswer, healthPage, plain, probePage } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import type { Pprof } from "./pprof.ts";

export interface PagesOptions {
  readonly member: Member;
  readonly metrics: Metrics;
  /** --enable-pprof. */
  readonly pprof?: Pprof | undefined;
}

/** Answers requests for pages as etcd does; what it does not know is 404. */
export function pages(o: PagesOptions): (q: IncomingMessage, r: ServerResponse) => void {
  return (request, response) => {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    answer(o, request, gone.signal).then(
      (a) => {
        response.writeHead(a.status, {
          "Content-Type": a.contentType,
          "Content-Length": Buffer.byteLength(a.body),
          ...a.headers,
          ...(a.status === 405 ? { Allow: "GET" } : {}),
          ...(a.status >= 400 ? { "X-Content-Type-Options": "nosniff" } : {}),
        });
        response.end(request.method === "HEAD" ? undefined : a.body);
      },
      (error: unknown) => {
        response.writeHead(500, { "Content-Type": "text/plain; charset=utf-8" });
        response.end(`${String(error)}\n`);
      },
    );
  };
}

/** Our own page: who this is and where its log ends, also without a quorum. Ids are hexadecimal. */
function logJson(member: Member): string {
  const { id, clusterId, options, term, leader, isLearner } = member;
  return JSON.stringify({
    name: options.name,
    memberID: hexId(id),
    clusterID: hexId(clusterId),
    term,
    ...(leader === noMember ? {} : { leader: hexId(leader) }),
    learner: isLearner,
    ...member.log,
  });
}

const notFound = plain(404, "404 page not found\n");
const notAllowed = plain(405, "Method Not Allowed\n");

async function answer(
  o: PagesOptions,
  request: IncomingMessage,
  gone: AbortSignal,
): Promise<HttpAnswer> {
  const url = URL.parse(request.url ?? "/", "http://localhost");
  if (url === null) return notFound;
  const page = pageNamed(o, url, gone);
  if (page === undefined) return notFound;
  // Prometheus' handler takes any method.
  if (request.method !== "GET" && url.pathname !== "/metrics") return notAllowed;
  return await page();
}

function pageNamed(
  o: PagesOptions,
  url: URL,
  gone: AbortSignal,
): (() => Promise<HttpAnswer>) | undefined {
  const { member, metrics, pprof } = o;
  switch (url.pathname) {
    case "/health":
      return async () => {
        const page = await healthPage(member, url.searchParams);
        metrics.feed.healthChecked(page.status === 200);
        return page;
      };
    case "/metrics":
      return async () => ({ status: 200, ...(await metrics.page()) });
    case "/quoin/log":
      return async () => ({ status: 200, contentType: "application/json", body: logJson(member) });
    case "/version":
      return async () => {
        const body = versionJson(member);
        return { status: 200, contentType: "application/json", body };
      };
    default:
      return (
        probePage(member, url.pathname, url.searchParams) ??
        pprof?.page(url.pathname, url.searchParams, gone)
      );
  }
}

import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { KubeConfig } from "@kubernetes/client-node";
import { createClock, createLogger, createRandom } from "../../src/io/index.ts";
import { Informer, KubeApi, resources } from "../../src/operator/runtime/index.ts";
import type { KubeObject } from "../../src/operator/types/index.ts";
import { until } from "../until.ts";

type Answer = (response: ServerResponse, query: URLSearchParams) => void;

const pod = (name: string, version: number): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "n", resourceVersion: String(version) },
});
const json = (response: ServerResponse, status: number, body: object): void => {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
};
const list =
  (version: number, ...pods: object[]): Answer =>
  (response) =>
    json(response, 200, { metadata: { resourceVersion: String(version) }, items: pods });
const event = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;

/** A watch that sends these events and then ends, breaks or stays open. */
const watch =
  (how: "end" | "break" | "stay", ...events: string[]): Answer =>
  (response) => {
    response.writeHead(200);
    response.write(events.join(""), () => {
      if (how === "end") response.end();
      if (how === "break") response.destroy();
    });
  };

interface Run {
  readonly requests: string[];
  readonly changes: string[];
  readonly names: () => string[];
}

/** Plays answers in order (the last one again and again) until `done` holds. */
async function play(answers: Answer[], done: (run: Run) => boolean): Promise<Run> {
  const requests: string[] = [];
  const changes: string[] = [];
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? "", "http://x").searchParams;
    requests.push(query.has("watch") ? `watch ${query.get("resourceVersion")}` : "list");
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    answer?.(response, query);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const config = new KubeConfig();
  const { port } = server.address() as AddressInfo;
  config.loadFromOptions({
    clusters: [{ name: "c", server: `http://127.0.0.1:${port}`, skipTLSVerify: true }],
    users: [{ name: "u" }],
    contexts: [{ name: "x", cluster: "c", user: "u" }],
    currentContext: "x",
  });
  const clock = createClock();
  // Back-off is not what is tested: pauses are a hundredth.
  const hasty = { ...clock, after: (ms: number, f: () => void) => clock.after(ms / 100, f) };
  const stop = new AbortController();
  const informer = new Informer<KubeObject>({
    api: new KubeApi(config),
    resource: resources.pods,
    clock: hasty,
    random: createRandom(),
    logger: createLogger({ write: () => {} }),
    onChange: (now, before) => {
      const sign = before === undefined ? "+" : now === undefined ? "-" : "~";
      changes.push(`${sign}${(now ?? before)?.metadata.name}`);
    },
  });
  const run = {
    requests,
    changes,
    names: () => [...informer.values()].map((p) => p.metadata.name),
  };
  const running = informer.run(stop.signal);
  await until("the requests", () => done(run)).catch(() => undefined);
  stop.abort();
  await running;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  assert.ok(done(run), JSON.stringify(run));
  return run;
}

const stay = watch("stay");

test("Informer goes on from the last version when a watch ends or breaks", async () => {
  const run = await play(
    [
      list(5, pod("a", 5)),
      watch("end", event("ADDED", pod("b", 6)), event("BOOKMARK", pod("", 9))),
      watch("break", event("MODIFIED", pod("b", 10))),
      stay,
    ],
    (r) => r.requests.length >= 4,
  );
  assert.deepEqual(run.requests, ["list", "watch 5", "watch 9", "watch 10"]);
  assert.deepEqual(run.changes, ["+a", "+b", "~b"]);
});

test("Informer lists again on 410, as a status and as an event, and tells what is gone", async () => {
  const gone = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
  const run = await play(
    [
      list(5, pod("a", 4), pod("b", 5)),
      (response) => json(response, 410, gone),
      list(8, pod("b", 5), pod("c", 8)),
      watch("end", event("ERROR", gone)),
      list(9, pod("c", 9)),
      stay,
    ],
    (r) => r.requests.length >= 6,
  );
  assert.deepEqual(run.requests, ["list", "watch 5", "list", "watch 8", "list", "watch 9"]);
  assert.deepEqual(run.changes, ["+a", "+b", "+c", "-a", "~c", "-b"]);
});

test("Informer survives refusals, garbage and cut connections, whichever comes when", async () => {
  const troubles: Answer[] = [
    (response) => json(response, 500, { message: "etcd is away" }),
    (response) => json(response, 429, { message: "slow down" }),
    (response) => json(response, 401, {}),
    (response) => response.destroy(),
    (response) => response.end("<html>a proxy says no</html>"),
    watch("end", '{"type":"ADDED","obj', "ect\n"),
    watch("end", "not json\n"),
    watch("end", event("ERROR", { code: 500, message: "watch error" })),
    watch("break"),
  ];
  const answers = troubles.flatMap((trouble) => [trouble, list(5, pod("a", 5))]);
  const run = await play(
    [
      ...answers,
      list(6, pod("a", 5), pod("z", 6)),
      watch("end", event("ADDED", pod("y", 7))),
      stay,
    ],
    (r) => r.changes.includes("+y") || (r.requests.length > 20 && r.names().includes("z")),
  );
  assert.ok(run.names().includes("a"));
});

test("Informer reads a list page by page", async () => {
  const page: Answer = (response, query) =>
    query.has("continue")
      ? json(response, 200, { metadata: { resourceVersion: "7" }, items: [pod("b", 3)] })
      : json(response, 200, {
          metadata: { resourceVersion: "7", continue: "more" },
          items: [pod("a", 2)],
        });
  const run = await play([page, page, stay], (r) => r.requests.length >= 3);
  assert.deepEqual(run.changes, ["+a", "+b"]);
  assert.equal(run.requests.at(-1), "watch 7");
});

// Websockets in the gateway: what etcd's wsproxy says, message by message.

import { until } from "../../until.ts";
import { pairOf } from "../corners/pair.ts";

const same = pairOf();

const text = (value: string): string => Buffer.from(value).toString("base64");

class Talk implements Disposable {
  readonly #socket: WebSocket;
  readonly answers: string[] = [];
  isClosed = false;

  constructor(endpoint: string, path: string, protocols: string[] = []) {
    this.#socket = new WebSocket(`${endpoint.replace(/^http/, "ws")}${path}`, protocols);
    this.#socket.addEventListener("message", ({ data }) => this.answers.push(String(data)));
    this.#socket.addEventListener("error", () => undefined);
    this.#socket.addEventListener("close", () => {
      this.isClosed = true;
    });
  }

  async open(): Promise<this> {
    await until("open", () => this.#socket.readyState === WebSocket.OPEN, 20);
    return this;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  send(...requests: (object | string)[]): void {
    for (const r of requests) this.#socket.send(typeof r === "string" ? r : JSON.stringify(r));
  }

  async told(count: number): Promise<unknown[]> {
    await until(`${count} answers`, () => this.answers.length >= count, 20);
    return this.answers.map((answer) =>
      JSON.parse(answer, (key, value: unknown) =>
        key === "cluster_id" || key === "member_id" ? "id" : value,
      ),
    );
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

same("a watch by websocket", async ({ client, member }) => {
  using talk = await new Talk(member.endpoint, "/v3/watch").open();
  const range = { key: text("ws/"), range_end: text("ws0") };
  talk.send({ create_request: range }, { create_request: { ...range, prev_kv: true } });
  await talk.told(2);
  await client.kv.put("ws/a", "1");
  await talk.told(4);
  await client.kv.put("ws/a", "2".repeat(200));
  await talk.told(6);
  await client.kv.put("ws/a", "3".repeat(70_000));
  await talk.told(8);
  // Two requests in one message.
  talk.send(`${JSON.stringify({ cancel_request: { watch_id: "1" } })} {"progress_request":{}}`);
  const told = await talk.told(10);
  return told.map((answer) => JSON.stringify(answer)).sort();
});

same("renewals by websocket, with a token where there is no use for one", async (server) => {
  const { client, member } = server;
  await client.lease.grant(500, { id: 7n as never });
  using talk = await new Talk(member.endpoint, "/v3/lease/keepalive", ["Bearer", "abc"]).open();
  talk.send({ ID: 7 }, { ID: "99" }, { ID: "7" });
  return [talk.protocol, await talk.told(3)];
});

same("pages answer no websocket", async ({ member }) => {
  const facts: unknown[] = [];
  for (const path of ["/version", "/health"]) {
    using talk = new Talk(member.endpoint, path);
    await until("the refusal", () => talk.isClosed, 20);
    facts.push(talk.answers.length);
  }
  return facts;
});

same("a client that has gone leaves no watch behind", async ({ member, client }) => {
  const metric = async (): Promise<string | undefined> => {
    const page = await (await fetch(`${member.endpoint}/metrics`)).text();
    return /^etcd_debugging_mvcc_watcher_total (\d+)/m.exec(page)?.[1];
  };
  const talk = await new Talk(member.endpoint, "/v3/watch").open();
  talk.send({ create_request: { key: text("gone") } });
  await talk.told(1);
  // The watches of the questions before may still be closing.
  await until("its watch alone", async () => (await metric()) === "1", 20);
  talk[Symbol.dispose]();
  await until("none", async () => (await metric()) === "0", 20);
  return (await client.kv.get("gone")).count;
});

/** Whether anybody is at a peer URL: what fits no member's answer is told, too. */
import { clusterId } from "../core/types.ts";
import type { PeerSight } from "../ports/index.ts";
import type { TlsContexts } from "../tls/index.ts";
import { readAll, startRequest } from "./requests.ts";

/** A list of members is far below it. */
const answerBytesMax = 1 << 20;

/** Asks one peer URL who is there. `timeoutMs` for the connection, and again for the answer. Never rejects. */
export function lookAt(
  url: string,
  tls: TlsContexts | undefined,
  timeoutMs = 5000,
): Promise<PeerSight> {
  return new Promise((resolve) => {
    const sent = startRequest(url, "/members", { tls });
    let isConnected = false;
    const settle = (sight: PeerSight): void => {
      clearTimeout(timer);
      // What it still says is of no use, errors included.
      sent.on("error", () => undefined);
      sent.destroy();
      resolve(sight);
    };
    const fail = (problem: string): void =>
      settle({ kind: isConnected ? "unclear" : "absent", problem });
    const late = (): void => {
      const wasConnected = isConnected;
      const what = wasConnected ? "answer" : "connection";
      // A loop that was held up runs its timers before it looks at its sockets.
      setImmediate(() => {
        if (isConnected === wasConnected) fail(`no ${what} within ${timeoutMs} ms`);
      });
    };
    let timer = setTimeout(late, timeoutMs);
    sent.on("socket", (socket) => {
      // TCP's: what TLS makes of it comes later.
      socket.once("connect", () => {
        isConnected = true;
        clearTimeout(timer);
        timer = setTimeout(late, timeoutMs);
      });
    });
    sent.on("error", ({ message }) => fail(message));
    sent.on("response", (response) => {
      const id = String(response.headers["x-etcd-cluster-id"] ?? "");
      const status = response.statusCode;
      readAll(response, answerBytesMax).then(
        () => {
          if (status === 200 && /^[0-9a-fA-F]{1,16}$/.test(id)) {
            settle({ kind: "member", clusterId: clusterId(BigInt(`0x${id}`)) });
          } else fail(`HTTP status ${status}, and no cluster's id`);
        },
        (error: Error) => fail(error.message),
      );
    });
    sent.end();
  });
}

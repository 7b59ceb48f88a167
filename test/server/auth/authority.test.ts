import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuthInfo, AuthStore } from "../../../src/core/auth/index.ts";
import type { Clock } from "../../../src/ports/index.ts";
import type { EtcdError } from "../../../src/proto/index.ts";
import { Authority } from "../../../src/server/auth/index.ts";
import { createTokens } from "../../../src/server/index.ts";

/** A member whose log has not come to any token's entry. */
function world() {
  const tokens = createTokens({
    authToken: "simple",
    ttlMs: 300_000,
    below: () => 3,
    unixSeconds: () => 0,
  });
  const waits: { readonly index: bigint; readonly done: (error?: EtcdError) => void }[] = [];
  const live = new Set<bigint>();
  const authority = new Authority({
    store: { enabled: true, revision: 1 } as unknown as AuthStore,
    tokens,
    clock: { nowMs: () => 0 } as Clock,
    byCertificate: false,
    waitApplied: (index, done) => {
      live.add(index);
      waits.push({
        index,
        done: (e) => {
          if (live.delete(index)) done(e);
        },
      });
      return () => live.delete(index);
    },
  });
  const answers = new Map<string, string>();
  const ask = (token: string): void =>
    authority.identify(
      { token: () => token, commonName: () => undefined },
      (error: EtcdError | undefined, info?: AuthInfo) =>
        answers.set(token, error?.code ?? info?.username ?? "nobody"),
    );
  return { tokens, waits, live, answers, ask };
}

test("made-up tokens of the far future keep no real one from being waited for", () => {
  const { tokens, waits, answers, ask } = world();
  for (let i = 0; i < 5000; i++) ask(`madeup${i}.${1_000_000 + i}`);
  assert.equal(waits.length, 1000);
  assert.equal(answers.size, 4000);
  ask("real.12");
  // The farthest made room.
  assert.equal(answers.get("madeup999.1000999"), "InvalidAuthToken");
  assert.equal(answers.has("real.12"), false);
  tokens.assign({ username: "u", revision: 1, prefix: "real", index: 12, nowMs: 0, waited: true });
  for (const { index, done } of waits) if (index === 12n) done();
  assert.equal(answers.get("real.12"), "u");
  // Whoever was sent away is not answered twice, and the rest in their time.
  for (const { done } of waits) done();
  assert.equal([...answers.values()].filter((a) => a === "InvalidAuthToken").length, 5000);
  ask("another.13");
  assert.equal(answers.has("another.13"), false);
});

test("who is sent away is not waited for any more", () => {
  const { live, answers, ask } = world();
  for (let i = 0; i < 5000; i++) ask(`madeup${i}.${1_000_000 - i}`);
  assert.equal(answers.size, 4000);
  assert.equal(live.size, 1000);
  assert.equal(Math.max(...[...live].map(Number)), 996_000);
});

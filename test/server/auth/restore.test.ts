import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeaseKeys } from "../../../src/core/auth/index.ts";
import type { Clock } from "../../../src/ports/index.ts";
import { authpb } from "../../../src/proto/index.ts";
import { AuthMachine } from "../../../src/server/auth/index.ts";
import { createTokens } from "../../../src/server/index.ts";
import type { Backend } from "../../../src/storage/backend/index.ts";
import { silent } from "../rig.ts";

/** A backend with these users, as name to password hash. */
function backendOf(users: Readonly<Record<string, string>>, isEnabled: boolean): Backend {
  const rows: Readonly<Record<string, readonly (readonly [Uint8Array, Uint8Array])[]>> = {
    authUsers: Object.entries(users).map(([name, password]) => [
      Buffer.from(name),
      authpb.encodeUser({
        name: Buffer.from(name),
        password: Buffer.from(password),
        roles: [],
        options: undefined,
      }),
    ]),
    auth: [[Buffer.from("authEnabled"), Buffer.from([isEnabled ? 1 : 0])]],
  };
  const scan = async function* (bucket: string) {
    yield rows[bucket] ?? [];
  };
  return { scan, putRow: () => undefined } as unknown as Backend;
}

async function afterSnapshot(users: Readonly<Record<string, string>>, isEnabled = true) {
  const tokens = createTokens({
    authToken: "simple",
    ttlMs: 300_000,
    below: () => 3,
    unixSeconds: () => 0,
  });
  const before = backendOf({ root: "r", kept: "k", changed: "c", deleted: "d" }, true);
  const machine = new AuthMachine({
    clock: { nowMs: () => 0 } as Clock,
    logger: silent,
    tokens,
    leases: {} as LeaseKeys,
    backend: () => before,
  });
  await machine.restore(before);
  for (const [index, username] of machine.store.userNames().entries()) {
    tokens.assign({ username, revision: 1, prefix: username, index, nowMs: 0, waited: true });
  }
  const all = machine.store.userNames().map((name, index) => `${name}.${index}`);
  await machine.restore(backendOf(users, isEnabled));
  return all.filter((token) => tokens.info(token, 1, 0) !== undefined).map((t) => t.split(".")[0]);
}

test("an installed snapshot ends the tokens of users it deletes or gives other passwords", async () => {
  const users = { root: "r", kept: "k", changed: "other", fresh: "f" };
  assert.deepEqual((await afterSnapshot(users)).sort(), ["kept", "root"]);
});

test("an installed snapshot without authentication ends all tokens", async () => {
  const users = { root: "r", kept: "k", changed: "c", deleted: "d" };
  assert.deepEqual(await afterSnapshot(users, false), []);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { Passwords } from "../../../src/server/index.ts";

const wanted = (): boolean => true;

test("a password is right against its own hash, which has the name that Go gives it", async () => {
  const passwords = new Passwords({ cost: 4 });
  const hashed = Buffer.from(await passwords.hash("pässword"));
  assert.match(hashed.toString(), /^\$2a\$04\$.{53}$/);
  assert.equal(await passwords.verify("pässword", hashed, wanted), true);
  assert.equal(await passwords.verify("password", hashed, wanted), false);
});

test("what is no hash fits no password", async () => {
  const passwords = new Passwords({ cost: 4 });
  for (const hashed of ["", "x", "$2a$10$short", "$2a$99$"]) {
    assert.equal(await passwords.verify("", Buffer.from(hashed), wanted), false, hashed);
  }
});

test("a cost out of range is the default, as with etcd", () => {
  const costs = [3, 4, 31, 32].map((cost) => new Passwords({ cost }).cost);
  assert.deepEqual(costs, [10, 4, 31, 10]);
});

test("bcrypt takes 72 bytes, not characters", () => {
  const passwords = new Passwords();
  assert.equal(passwords.isTooLong("ä".repeat(36)), false);
  assert.equal(passwords.isTooLong("ä".repeat(37)), true);
});

test("work waits for its turn, is dropped when nobody wants it any more, and is bounded", async () => {
  const passwords = new Passwords({ cost: 4, atOnce: 1 });
  const hashed = Buffer.from(await passwords.hash("p"));
  let done = 0;
  const all = Array.from({ length: 1001 }, async (_, i) => {
    const right = await passwords.verify("p", hashed, () => i < 3);
    done++;
    return right;
  });
  await assert.rejects(passwords.verify("p", hashed, wanted), /too many requests/);
  assert.equal(done, 0);
  const results = await Promise.all(all);
  assert.deepEqual([results.filter((r) => r).length, done], [3, 1001]);
  assert.equal(await passwords.verify("p", hashed, wanted), true);
});

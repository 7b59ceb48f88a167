import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatInitialCluster,
  hasDuplicateUrl,
  isHostPort,
  parseInitialCluster,
  parseUrls,
} from "../../../src/core/membership/index.ts";

const texts = (list: string[]) => {
  const urls = parseUrls(list);
  return urls.ok ? urls.value.map((u) => u.text) : urls.error;
};

test("parseUrls() trims, sorts and keeps what etcd keeps", () => {
  assert.deepEqual(texts([" http://b:1", "HTTPS://a:2 "]), ["http://b:1", "https://a:2"]);
  assert.deepEqual(texts(["http://[::1]:2380"]), ["http://[::1]:2380"]);
  assert.deepEqual(texts(["unix://localhost:1", "unixs:///x/y"]), [
    "unix://localhost:1",
    "unixs:///x/y",
  ]);
});

// The other refusals are compared with a real etcd in test/server/config/real-etcd.test.ts.
test("parseUrls() refuses in etcd's words", () => {
  assert.equal(texts([]), "no valid URLs given");
  assert.equal(texts(["http:a"]), 'URL address does not have the form "host:port": http:a');
  assert.equal(texts(["a\u0001"]), 'parse "a\\x01": net/url: invalid control character in URL');
});

test("isHostPort() accepts what net.SplitHostPort splits", () => {
  for (const good of ["a:1", ":1", "a:", "[::1]:2", "[]:1"]) assert.ok(isHostPort(good), good);
  for (const bad of ["a", "a:1:2", "::1", "[::1]", "[::1", "a]:1"])
    assert.ok(!isHostPort(bad), bad);
});

test("parseInitialCluster() gathers the URLs of a name, and prints them back sorted", () => {
  const map = parseInitialCluster("b=http://y:1,a=http://x:2,a=http://x:1,");
  assert.ok(map.ok);
  assert.equal(formatInitialCluster(map.value), "a=http://x:1,a=http://x:2,b=http://y:1");
  assert.equal(hasDuplicateUrl(map.value), false);
  const twice = parseInitialCluster("a=http://x:1,b=http://x:1");
  assert.ok(twice.ok && hasDuplicateUrl(twice.value));
  assert.ok(!parseInitialCluster("a").ok);
  const empty = parseInitialCluster("");
  assert.ok(empty.ok && empty.value.size === 0);
});

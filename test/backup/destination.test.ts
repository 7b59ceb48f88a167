import assert from "node:assert/strict";
import { test } from "node:test";
import { destinationFrom, openDestination } from "../../src/backup/destination.ts";

const from = (flags: Record<string, string>) => destinationFrom(new Map(Object.entries(flags)));

test("destinationFrom() reads a folder with the name people know it by", () => {
  assert.deepEqual(from({ directory: "/backup/a", "directory-uri": "pvc://claim/a" }), {
    kind: "directory",
    directory: "/backup/a",
    uri: "pvc://claim/a",
  });
});

test("destinationFrom() reads every flag of a bucket and trims the prefix's slashes", () => {
  const flags = {
    "s3-bucket": "backups",
    "s3-prefix": "/etcd/prod/",
    "s3-endpoint": "https://s3.example.com:9000",
    "s3-region": "eu-central-1",
    "s3-force-path-style": "false",
    "s3-ca-file": "/ca/ca.crt",
  };
  assert.deepEqual(from(flags), {
    kind: "s3",
    bucket: "backups",
    prefix: "etcd/prod",
    endpoint: "https://s3.example.com:9000",
    region: "eu-central-1",
    forcePathStyle: false,
    caFile: "/ca/ca.crt",
  });
  assert.deepEqual(from({ "s3-bucket": "b", "s3-prefix": "/" }), { kind: "s3", bucket: "b" });
});

test("destinationFrom() refuses none, two, or halves, and says what to give", () => {
  const refused: [Record<string, string>, RegExp][] = [
    [{}, /no destination; give --directory=PATH or --s3-bucket=NAME/],
    [{ directory: "", "s3-bucket": "" }, /no destination/],
    [{ "s3-endpoint": "http://x" }, /no destination/],
    [{ directory: "/a", "s3-bucket": "b" }, /two destinations/],
    [{ directory: "a/b" }, /no absolute path/],
    [{ "s3-bucket": "b", "s3-endpoint": "s3.example.com" }, /no URL such as/],
    [{ "s3-bucket": "b", "s3-endpoint": "ftp://s3.example.com" }, /no URL such as/],
    [{ "s3-bucket": "b", "s3-force-path-style": "maybe" }, /neither true nor false/],
  ];
  for (const [flags, message] of refused) {
    assert.throws(() => from(flags), { code: "InvalidConfig", message });
  }
});

test("destinationFrom() refuses an endpoint with a password and does not repeat it", () => {
  try {
    from({ "s3-bucket": "b", "s3-endpoint": "http://me:hunter2@s3" });
    assert.fail("it was taken");
  } catch (error) {
    assert.match(String(error), /holds a user name or password/);
    assert.doesNotMatch(String(error), /hunter2/);
  }
});

test("openDestination() refuses a CA file that is missing or holds no certificate", async () => {
  const open = (caFile: string) => openDestination({ kind: "s3", bucket: "b", caFile });
  await assert.rejects(open("/nowhere/ca.crt"), { code: "InvalidConfig", message: /ca\.crt/ });
  await assert.rejects(open(import.meta.filename), { message: /no certificate in PEM form/ });
});

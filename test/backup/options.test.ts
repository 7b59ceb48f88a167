import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions } from "../../src/backup/options.ts";

const save = [
  "save",
  "--endpoints=http://a:2379,http://b:2379",
  "--cluster=ns/c1",
  "--lineage=l1",
  "--backup=ns/b1",
  "--directory=/backup",
];
const restore = [
  "restore",
  "--directory=/backup",
  "--key=ns/c1/x.db",
  "--data-dir=/data/data/",
  "--name=m1",
  "--initial-cluster=m1=http://a:2380",
  "--initial-cluster-token=t",
  "--initial-advertise-peer-urls=http://a:2380",
];

const refused = (argv: readonly string[], message: RegExp): void => {
  assert.throws(() => parseOptions(argv, {}), { code: "InvalidConfig", message });
};

test("save: what the operator writes, and its defaults", () => {
  assert.deepEqual(parseOptions(save, { TMPDIR: "/somewhere" }), {
    kind: "save",
    destination: { kind: "directory", directory: "/backup" },
    endpoints: ["http://a:2379", "http://b:2379"],
    cluster: { namespace: "ns", name: "c1" },
    lineage: "l1",
    backup: "ns/b1",
    compression: "zstd",
    verify: "Checksum",
    scratchDir: "/somewhere",
    sweepAfterMs: 600_000,
  });
  const more = ["--schedule=ns/s1", "--keep-last=3", "--max-age=720h", "--keep-daily=7"];
  const parsed = parseOptions(
    [...save, ...more, "--verify=Restore", "--sweep-after=5m", "--cluster-id=ff"],
    {},
  );
  assert.ok(parsed !== "help" && parsed.kind === "save");
  assert.deepEqual(parsed.retention, { keepLast: 3, maxAgeMs: 720 * 3_600_000, keepDaily: 7 });
  assert.deepEqual([parsed.schedule, parsed.verify], ["ns/s1", "Restore"]);
  assert.deepEqual([parsed.sweepAfterMs, parsed.clusterId], [300_000, 255n]);
});

test("save: files for https endpoints", () => {
  const parsed = parseOptions([...save, "--cacert=/c", "--cert=/a", "--key=/b"], {});
  assert.ok(parsed !== "help" && parsed.kind === "save");
  assert.deepEqual(parsed.tls, { caFile: "/c", certFile: "/a", keyFile: "/b" });
});

test("save: refusals name the flag", () => {
  refused(save.slice(0, -1), /destination/);
  refused([...save.slice(0, 1), ...save.slice(2)], /--endpoints/);
  refused([...save, "--compression=xz"], /--compression to one of none, gzip, zstd/);
  refused([...save, "--cluster=c1"], /--cluster to <namespace>\/<name>/);
  refused([...save, "--keep-last=some"], /--keep-last/);
  refused([...save, "--max-age=1 week"], /--max-age/);
  refused([...save, "--cluster-id=0x1"], /--cluster-id/);
  refused([...save, "--cert=/a"], /--cert and --key together/);
  refused([...save, "--what=ever"], /--what/);
  refused(["keep", "--directory=/x"], /no command "keep"/);
});

test("restore: a bump marks compacted; switches are taken with and without a value", () => {
  const parsed = parseOptions(
    [...restore, "--revision-bump=1000", "--mark-compacted", "--skip-hash-check=true"],
    {},
  );
  assert.deepEqual(parsed, {
    kind: "restore",
    destination: { kind: "directory", directory: "/backup" },
    key: "ns/c1/x.db",
    dataDir: "/data/data",
    name: "m1",
    initialCluster: "m1=http://a:2380",
    token: "t",
    peerUrls: ["http://a:2380"],
    revisionBump: 1000,
    skipHashCheck: true,
  });
  refused([...restore, "--mark-compacted"], /--revision-bump/);
  refused([...restore, "--checksum=md5:1"], /--checksum/);
  refused([...restore, "--key=../../etc/passwd"], /key/);
  const off = parseOptions([...restore, "--skip-hash-check=false"], {});
  assert.ok(off !== "help" && off.kind === "restore" && !off.skipHashCheck);
});

test("S3 destinations, with a switch as the operator and as a person writes it", () => {
  const flags = ["delete", "--s3-bucket=b", "--key=a/b.db", "--lineage=l"];
  for (const [more, forcePathStyle] of [
    ["--s3-force-path-style", true],
    ["--s3-force-path-style=true", true],
    ["--s3-force-path-style=false", false],
  ] as const) {
    const parsed = parseOptions([...flags, more], {});
    assert.ok(parsed !== "help");
    assert.deepEqual(parsed.destination, { kind: "s3", bucket: "b", forcePathStyle });
  }
});

test("help is asked for in any way", () => {
  for (const argv of [[], ["help"], ["--help"], ["save", "--help"]]) {
    assert.equal(parseOptions(argv, {}), "help");
  }
});

// What the image carries: etcdctl as one script with V8's compiled code, which must say what the sources say, and
// the server, which must start with no more than it needs.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { cacheFile, loadProgram, programFile } from "../../src/bin/bundle/program.ts";
import { rpcpb } from "../../src/proto/index.ts";
import { start } from "../rpc/fixture.ts";

const root = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "quoin-bundle-"));
const bundle = join(folder, "dist", "bin");

before(() => {
  execFileSync(process.execPath, [join(root, "src/bin/bundle/main.ts"), `--outdir=${bundle}`]);
  cpSync(join(root, "bin"), join(folder, "bin"), { recursive: true });
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** What a call prints and how it ends; without HOME and whatever else is set here. */
function call(file: string, args: readonly string[]): Promise<object> {
  const env = { PATH: process.env["PATH"] ?? "" };
  return new Promise((resolve) => {
    execFile(file, args, { env, cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

const lines = [
  ["version"],
  ["--help"],
  ["help", "lease", "grant"],
  ["nonsense"],
  ["get"],
  ["get", "k", "--cacert=/nowhere", "--endpoints=https://localhost:1"],
  ["put", "k", "v", "-w", "nonsense"],
  ["__complete", "lease", ""],
  ["completion", "bash"],
];

test("the bundle's etcdctl, through a link, prints what the sources print", async () => {
  const link = join(folder, "ctl");
  symlinkSync(join(folder, "bin", "etcdctl"), link);
  for (const args of lines) {
    const wanted = await call(join(root, "bin", "etcdctl"), args);
    assert.deepEqual(await call(link, args), wanted, args.join(" "));
  }
});

test("the bundle's etcdctl talks to a server", async (t) => {
  const range = rpcpb.newRangeResponse({ header: rpcpb.newResponseHeader({}), count: 3 });
  const { address } = await start(t, {
    "/etcdserverpb.KV/Range": {
      kind: "unary",
      handle: (_, call) => call.respond(rpcpb.encodeRangeResponse(range)),
    },
  });
  for (const command of ["get", "put"]) {
    const args = [command, "k", "v", "-w", "json", `--endpoints=${address}`];
    const wanted = await call(join(root, "bin", "etcdctl"), args);
    assert.deepEqual(await call(join(folder, "bin", "etcdctl"), args), wanted);
  }
});

test("the bundle's etcdctl loads the storage engine where a command needs it", async () => {
  const file = join(folder, "snapshot.db");
  const packed = join(root, "test", "testdata", "etcd-snapshots", "etcd-3.5.db.gz");
  writeFileSync(file, gunzipSync(readFileSync(packed)));
  const args = ["snapshot", "status", file];
  const wanted = await call(join(root, "bin", "etcdctl"), args);
  assert.deepEqual(await call(join(folder, "bin", "etcdctl"), args), wanted);
});

test("V8 takes the code cache; without one, or with a broken one, etcdctl runs all the same", async () => {
  assert.equal(loadProgram(bundle).script.cachedDataRejected, false);
  const bare = join(folder, "bare");
  cpSync(join(bundle, programFile), join(bare, programFile));
  cpSync(join(bundle, "etcdctl.cjs"), join(bare, "etcdctl.cjs"));
  const version = [join(bare, "etcdctl.cjs"), "version"];
  const wanted = await call(process.execPath, [join(bundle, "etcdctl.cjs"), "version"]);
  assert.deepEqual(await call(process.execPath, version), wanted);
  writeFileSync(join(bare, cacheFile), "no code");
  assert.deepEqual(await call(process.execPath, version), wanted);
});

test("a server's start loads no undici, which hides behind an export of node:http, and makes no certificates", async () => {
  const tell = `
    import { registerHooks } from "node:module";
    registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) });
    process.on("exit", () => console.log(process.moduleLoadList.join("\\n")));`;
  const told = `data:text/javascript,${encodeURIComponent(tell)}`;
  const args = ["--import", told, join(bundle, "quoin.js"), "server", "--nonsense"];
  const { code, stdout } = (await call(process.execPath, args)) as { code: number; stdout: string };
  assert.equal(code, 2);
  assert.match(stdout, /NativeModule http$/m);
  assert.doesNotMatch(stdout, /undici/);
  const loaded = [...stdout.matchAll(/^file:.*\.js$/gm)].map(([url]) =>
    readFileSync(new URL(url), "utf8"),
  );
  assert.ok(
    loaded.some((chunk) => chunk.includes("node_modules/prom-client/")),
    "it is the server",
  );
  assert.ok(!loaded.some((chunk) => chunk.includes("node_modules/@peculiar/")));
});

// The walls of the house: which room may import which, without cycles; a pure core; no dead files.
// What it finds is a list of `file: what is wrong`, so that a failure says what to do.

import assert from "node:assert";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");

/** Rooms each room may use. Every room may use lib and core/types.ts. (docs/ARCHITECTURE.md) */
const arrows: Record<string, string[]> = {
  operator: ["backup", "client", "core/membership", "pki", "storage/snapshot", "ports"],
  plugin: ["operator", "ports"],
  backup: ["client", "core/membership", "storage/snapshot", "ports"],
  ctl: ["client", "proto", "storage/snapshot", "ports"],
  api: ["server", "core/*", "proto", "rpc", "ports"],
  peer: ["core/raft", "proto", "tls", "ports"],
  discovery: ["client", "core/membership", "proto", "ports"],
  server: ["core/*", "storage/*", "proto", "ports"],
  "storage/wal": ["core/raft", "proto", "ports"],
  "storage/backend": ["core/raft", "proto", "ports"],
  "storage/snapshot": ["core/*", "storage/wal", "storage/backend", "proto", "ports"],
  rpc: ["ports"],
  tls: ["pki", "ports"],
  client: ["proto", "rpc"],
  pki: [],
  proto: [],
  io: ["ports"],
  ports: [],
  "core/raft": [],
  "core/mvcc": [],
  "core/lease": [],
  "core/auth": [],
  "core/membership": [],
  "core/v2store": [],
  core: [],
  lib: [],
};

/** Packages from outside, and the rooms that hide them. */
const packages: Record<string, string[]> = {
  "@aws-sdk/client-s3": ["backup"],
  "@kubernetes/client-node": ["operator", "plugin"],
  "@node-rs/bcrypt": ["server"],
  "@node-rs/crc32": ["storage/wal"],
  "@peculiar/asn1-schema": ["pki"],
  "@peculiar/asn1-x509": ["pki"],
  esbuild: ["bin"],
  "prom-client": ["api", "operator"],
  protobufjs: ["proto"],
  "protobufjs/ext/descriptor.js": ["proto"],
  "protobufjs/ext/protojson.js": ["proto"],
  "rocksdb-native": ["storage/backend"],
  yaml: ["server"],
};

interface Import {
  target: string;
  isType: boolean;
}
interface Source {
  file: string;
  text: string;
  /** The text without comments and the content of strings. */
  code: string;
  imports: Import[];
}

const importPattern =
  /^(?:import|export)\s+(type\s)?(?:[^;"']*?\sfrom\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;
const textPattern =
  /\/\*[\s\S]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;

function read(file: string): Source {
  const text = readFileSync(join(root, file), "utf8");
  const imports = [...text.matchAll(importPattern)].map((match) => {
    const target = match[2] ?? match[3] ?? "";
    const isFile = target.startsWith(".");
    return {
      target: isFile ? normalize(join(dirname(file), target)) : target,
      isType: match[1] !== undefined,
    };
  });
  return { file, text, code: text.replace(textPattern, '""'), imports };
}

function find(...patterns: string[]): Source[] {
  return globSync(patterns, { cwd: root })
    .filter((file) => !file.includes("node_modules") && !file.endsWith(".d.ts"))
    .sort()
    .map(read);
}

const sources = find("src/**/*.ts");
const others = find("test/**/*.ts", "e2e/**/*.ts", "bench/**/*.ts");

/** src/core/raft/log.ts is in core/raft, src/rpc/hpack/table.ts in rpc. */
function roomOf(file: string): string {
  const parts = file.split("/").slice(1, -1);
  const depth = parts[0] === "core" || parts[0] === "storage" ? 2 : 1;
  return parts.slice(0, depth).join("/");
}

function mayUse(room: string, target: string): boolean {
  if (room === "bin" || target === "lib" || target === room) return true;
  const allowed = arrows[room] ?? [];
  return allowed.includes(target) || allowed.includes(`${target.split("/")[0]}/*`);
}

const isVocabulary = (file: string) => file === "src/core/types.ts";
const isDoor = (file: string) => file.endsWith("/index.ts") || roomOf(file) === "lib";
const isGenerated = (file: string) => file.startsWith("src/proto/gen/");
/** A room's program: bin starts it, and like bin it puts rooms together. */
const isProgram = (file: string) => /^src\/(backup|ctl|operator|plugin)\/main\.ts$/.test(file);
/** core/raft/types.ts: records alone, which rooms below the state machine name. */
const isRecords = (file: string) => /^src\/core\/\w+\/types\.ts$/.test(file);

function none(faults: string[]): void {
  assert.deepEqual(faults, [], `\n${faults.join("\n")}\n`);
}

function importsAcrossRooms() {
  return sources.flatMap(({ file, imports }) =>
    imports
      .filter(({ target }) => target.startsWith("src/") && roomOf(target) !== roomOf(file))
      .map(({ target }) => ({ file, target })),
  );
}

test("every room is on the map", () => {
  const rooms = new Set(sources.map(({ file }) => roomOf(file)));
  none([...rooms].filter((room) => room !== "bin" && !(room in arrows)));
});

test("rooms import only the rooms below them", () => {
  none(
    importsAcrossRooms()
      .filter(({ file, target }) => !isVocabulary(target) && !isProgram(file))
      .filter(({ file, target }) => !mayUse(roomOf(file), roomOf(target)))
      .map(({ file, target }) => `${file}: may not import ${target}`),
  );
});

test("rooms are entered only through their index.ts", () => {
  const mayEnter = ({ file, target }: { file: string; target: string }) =>
    isDoor(target) ||
    isVocabulary(target) ||
    isGenerated(target) ||
    isRecords(target) ||
    (isProgram(target) && roomOf(file) === "bin");
  none(
    importsAcrossRooms()
      .filter((edge) => !mayEnter(edge))
      .map(({ file, target }) => `${file}: imports ${target}, which is not a door`),
  );
});

test("rooms do not depend on each other in circles", () => {
  const edges = new Map<string, Set<string>>();
  for (const { file, target } of importsAcrossRooms()) {
    if (isVocabulary(target) || isProgram(file)) continue;
    const from = roomOf(file);
    edges.set(from, (edges.get(from) ?? new Set()).add(roomOf(target)));
  }
  none(circles(edges));
});

test("files do not load each other in circles", () => {
  const edges = new Map<string, Set<string>>();
  for (const { file, imports } of sources) {
    const loaded = imports.filter((it) => !it.isType).map((it) => it.target);
    edges.set(file, new Set(loaded.filter((target) => target.startsWith("src/"))));
  }
  none(circles(edges));
});

/** Every circle in the graph once, as "a -> b -> a". */
function circles(edges: Map<string, Set<string>>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): void => {
    const at = path.indexOf(node);
    if (at >= 0) found.push([...path.slice(at), node].join(" -> "));
    if (at >= 0 || done.has(node)) return;
    path.push(node);
    for (const next of edges.get(node) ?? []) visit(next);
    path.pop();
    done.add(node);
  };
  for (const node of edges.keys()) visit(node);
  return found;
}

test("packages from outside stay in the rooms that hide them", () => {
  const faults: string[] = [];
  for (const { file, imports } of sources) {
    for (const { target } of imports) {
      if (target.startsWith("src/") || target.startsWith("node:")) continue;
      if (!packages[target]?.includes(roomOf(file))) faults.push(`${file}: imports ${target}`);
    }
  }
  none(faults);
});

test("core and lib are pure: no Node, clock, randomness, promises or console", () => {
  const impure =
    /\b(Date|setTimeout|setInterval|setImmediate|queueMicrotask|Promise|async|await|process|performance|crypto|fetch|console|globalThis)\b(?!\s*[?:])|\bMath\.random\b/;
  const faults: string[] = [];
  for (const { file, code, imports } of sources) {
    if (!file.startsWith("src/core/") && !file.startsWith("src/lib/")) continue;
    for (const { target } of imports) {
      if (!target.startsWith("src/")) faults.push(`${file}: imports ${target}`);
    }
    const word = impure.exec(code)?.[0];
    if (word !== undefined) faults.push(`${file}: uses ${word}`);
    if (file.startsWith("src/core/") && /\bBuffer\b/.test(code)) {
      faults.push(`${file}: uses Buffer itself; lib/bytes.ts has what is needed`);
    }
  }
  none(faults);
});

test("no file is dead", () => {
  const byName = new Map([...sources, ...others].map((source) => [source.file, source]));
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    const source = byName.get(file);
    for (const { target } of source?.imports ?? []) visit(target);
    // Programs that a test starts as processes stand in it as file names.
    for (const [, name] of source?.text.matchAll(/["'`/]([\w.-]+\.ts)["'`]/g) ?? []) {
      visit(join(dirname(file), name ?? ""));
    }
  };
  const starters = [
    "package.json",
    ...globSync(["test/*.sh", "e2e/**/*.sh", "bench/*.sh", "bin/*"], { cwd: root }),
  ]
    .map((file) => readFileSync(join(root, file), "utf8"))
    .join("\n");
  const isStarted = (file: string) =>
    /(\.test|\.e2e|\/cli)\.ts$/.test(file) ||
    starters.includes(file) ||
    (file.startsWith("e2e/cluster/") && starters.includes(`/${file.split("/").pop()}`));

  for (const { file } of sources) if (isStarted(file)) visit(file);
  const deadSources = sources.filter(({ file }) => !reached.has(file) && !isGenerated(file));
  for (const { file } of others) if (isStarted(file)) visit(file);
  const deadTests = others.filter(({ file }) => !reached.has(file));
  none([...deadSources, ...deadTests].map(({ file }) => `${file}: nothing that runs imports it`));
});

test("every imported file exists", () => {
  const faults: string[] = [];
  for (const { file, imports } of [...sources, ...others]) {
    for (const { target } of imports) {
      const isFile = /^(src|test|e2e|bench)\//.test(target);
      if (isFile && !existsSync(join(root, target))) faults.push(`${file}: imports ${target}`);
    }
  }
  none(faults);
});

test("names say what a file is for", () => {
  const vague = /(^|\/)(utils?|helpers?|common|misc|shared)(\/|\.ts$)/;
  const tooVague = [...sources, ...others].filter(({ file }) => vague.test(file));
  const notKebab = [...sources, ...others].filter(
    ({ file }) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.ts$/.test(file.split("/").pop() ?? ""),
  );
  none([...tooVague, ...notKebab].map(({ file }) => `${file}: find a name`));
});

test("what a file of tests does first is one `before`, as node:test runs several at the same time", () => {
  const firsts = /^(?:const .*\b)?(?:before|useNamespace)\(/gm;
  const several = others.filter(({ code }) => (code.match(firsts)?.length ?? 0) > 1);
  assert.deepEqual(
    several.map(({ file }) => file),
    [],
  );
});

/** A report, not a rule: long files and functions are a reason to stop and think. */
test("sizes of files and functions", (t) => {
  const filesMax = 400;
  const functionsMax = 70;
  for (const { file, text } of [...sources, ...others]) {
    if (isGenerated(file)) continue;
    const lines = text.split("\n");
    if (lines.length > filesMax) t.diagnostic(`${file}: ${lines.length} lines`);
    for (const { name, length } of functionsIn(lines)) {
      if (length > functionsMax) t.diagnostic(`${file}: ${name} has ${length} lines`);
    }
  }
});

/** Functions and methods by their indentation, which the formatter guarantees. */
function* functionsIn(lines: string[]): Generator<{ name: string; length: number }> {
  const start =
    /^( *)(?:export )?(?:(?:async |static |get |set |override )*(?:function\*? )?(#?[\w$]+)(?:<.*>)?\(.*(?:\{|\()|(?:const (\w+) = .*=> \{))$/;
  for (const [index, line] of lines.entries()) {
    const [, indent, method, arrow] = start.exec(line) ?? [];
    const name = method ?? arrow;
    if (indent === undefined || name === undefined || /^(if|for|while|switch|catch)$/.test(name))
      continue;
    const end = lines.findIndex((other, at) => at > index && other.startsWith(`${indent}}`));
    if (end > 0) yield { name, length: end - index + 1 };
  }
}

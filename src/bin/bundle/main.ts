// `npm run bundle -- --outdir=FOLDER`: what the image carries instead of a thousand files.
// quoin.js and its chunks are everything; etcdctl.cjs is etcdctl once more, made to start fast.

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { cacheFile, programFile } from "./program.ts";

const room = import.meta.dirname;
const bin = dirname(room);
const common: BuildOptions = {
  bundle: true,
  platform: "node",
  target: "node24",
  logLevel: "warning",
};

/**
 * node:http as one object. Imported as a module all its exports are read, and behind one of them is
 * the whole of undici: 50 ms of CPU at the start of each program that never calls fetch.
 */
const httpUnread: Plugin = {
  name: "http unread",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^(node:)?http$/ }, () => ({ path: "node:http", namespace: "unread" }));
    onLoad({ filter: /./, namespace: "unread" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

async function bundleAll(folder: string): Promise<void> {
  await build({
    ...common,
    entryPoints: [join(bin, "quoin.ts"), join(bin, "snapshot-work.ts")],
    outdir: folder,
    format: "esm",
    splitting: true,
    keepNames: true,
    plugins: [httpUnread],
    external: ["rocksdb-native", "@node-rs/crc32", "@node-rs/bcrypt"],
    banner: {
      js: 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);',
    },
  });
}

/**
 * Makes etcdctl's commands and codecs plain parts of one scope, of which esbuild then leaves out what
 * nobody uses. As it stands a file that is imported on demand, and every file below it, becomes a
 * function, and a namespace that passes through a door an object with all that it holds.
 */
const oneScope: Plugin = {
  name: "one scope",
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/src\/(client|ctl)\/.*\.ts$/ }, ({ path }) => ({
      contents: flatten(readFileSync(path, "utf8")),
      loader: "ts",
    }));
  },
};

function flatten(source: string): string {
  const imports: string[] = [];
  const text = source
    .replace(/\bawait import\((".+?")\)/g, (_, file: string) => {
      const name = `onDemand${imports.length}`;
      imports.push(`import * as ${name} from ${file};`);
      return name;
    })
    .replace(
      /^(import \{.*?)\brpcpb\b(?: as (\w+))?,?(.*\} from "(.*\/proto\/)client\/index\.ts";)$/m,
      (_, before: string, name: string | undefined, after: string, proto: string) => {
        imports.push(`import * as ${name ?? "rpcpb"} from "${proto}gen/rpcpb.ts";`);
        return before + after;
      },
    );
  // On one line with the first, so that lines stay where they are.
  return imports.join(" ") + text;
}

/** The storage engine, for what older etcdctls did with files. */
const besideTheLauncher: Plugin = {
  name: "beside the launcher",
  setup: ({ onResolve }) => {
    onResolve({ filter: /\/snapshot-work\.ts$/ }, () => ({
      path: "./snapshot-work.js",
      external: true,
    }));
  },
};

async function bundleEtcdctl(folder: string): Promise<void> {
  const outfile = join(folder, programFile);
  const { metafile } = await build({
    ...common,
    entryPoints: [join(bin, "../ctl/main.ts")],
    outfile,
    format: "cjs",
    minifySyntax: true,
    minifyWhitespace: true,
    plugins: [oneScope],
    // Node's `performance` loads ten of its modules, to tell the time.
    define: { "performance.now": "uptimeMs" },
    banner: {
      js: "(function(module,require){const uptimeMs=()=>{const t=process.hrtime();return t[0]*1e3+t[1]/1e6};",
    },
    footer: { js: "})" },
    metafile: true,
  });
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  const stray = imports.find(({ kind, path }) => kind !== "require-call" || !isBuiltin(path));
  if (stray !== undefined) throw new Error(`etcdctl would load ${stray.path} by itself`);
  await build({
    ...common,
    entryPoints: [join(room, "etcdctl.ts")],
    outfile: join(folder, "etcdctl.cjs"),
    format: "cjs",
    minifySyntax: true,
    plugins: [besideTheLauncher],
  });
}

const { values } = parseArgs({ options: { outdir: { type: "string", default: "dist/bin" } } });
const folder = resolve(values.outdir);
rmSync(join(folder, cacheFile), { force: true });
await bundleAll(folder);
await bundleEtcdctl(folder);
execFileSync(process.execPath, [join(room, "warm.ts"), folder], {
  stdio: ["ignore", "ignore", "inherit"],
});

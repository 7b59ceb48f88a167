// etcdctl as `npm run bundle` leaves it: its code as one script, and V8's compiled form of what a call runs.

import { readFileSync } from "node:fs";
import { Script } from "node:vm";
import type { runEtcdctl } from "../../ctl/index.ts";

/** Beside the launcher: a function expression, and the code cache that warm.ts made of it. */
export const programFile = "etcdctl-program.cjs";
export const cacheFile = "etcdctl-program.cache";

export interface Program {
  readonly script: Script;
  readonly runEtcdctl: typeof runEtcdctl;
}

/**
 * Loads etcdctl out of the bundle's folder. A cache that is missing, or of another Node, costs time and
 * nothing else: V8 refuses it and compiles the script.
 */
export function loadProgram(folder: string): Program {
  const filename = `${folder}/${programFile}`;
  // The bundle is ASCII; as latin1 it stays one byte a character.
  const script = new Script(readFileSync(filename, "latin1"), {
    filename,
    cachedData: cacheIn(folder),
  });
  const exported = {} as { exports: Pick<Program, "runEtcdctl"> };
  script.runInThisContext()(exported, lazyBuiltin);
  return { script, runEtcdctl: exported.exports.runEtcdctl };
}

function cacheIn(folder: string): Buffer | undefined {
  try {
    return readFileSync(`${folder}/${cacheFile}`);
  } catch {
    return undefined;
  }
}

/** The script asks for all of Node's modules that any command needs; each is loaded at its first use. */
const lazyBuiltin = (name: string): object =>
  new Proxy({}, { get: (_, key) => Reflect.get(process.getBuiltinModule(name) as object, key) });

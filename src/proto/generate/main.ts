/**
 * Writes src/proto/gen/*.ts from src/proto/schema/*.proto: a record type, `newX`, `sizeX`,
 * `writeX`, `encodeX`, `readX` and `decodeX` for every message, and the services for reflection.
 * Run by `npm run codecs`; a test sees that the committed output is what this program writes.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { emitPackage } from "./emit.ts";
import { emitReflected } from "./reflected.ts";

const here = import.meta.dirname;
const schemaDir = join(here, "../schema");

/** Generated sources by file name. */
export function generate(): Map<string, string> {
  const root = new protobuf.Root();
  const packages: string[] = [];
  const sources: string[] = [];
  for (const name of readdirSync(schemaDir).sort()) {
    const source = readFileSync(join(schemaDir, name), "utf8");
    protobuf.parse(source, root, { keepCase: true });
    sources.push(source);
    packages.push(name.replace(".proto", ""));
  }
  root.resolveAll();
  const out = new Map<string, string>();
  for (const name of packages) {
    // services.proto has no messages of its own.
    if (root.lookup(name) !== null) out.set(`${name}.ts`, emitPackage(root, name));
  }
  out.set("reflected.ts", emitReflected(sources));
  return out;
}

if (process.argv[1] === import.meta.filename) {
  for (const [name, text] of generate()) writeFileSync(join(here, "../gen", name), text);
}

// A real Helm on the charts: what it renders, and what it refuses.

import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { KubeObject } from "../../src/operator/types/index.ts";

export const root = join(import.meta.dirname, "..", "..");

const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "quoin", "tools");

/** A program that e2e/tools/build.sh has built; undefined where it has not. */
function findTool(tool: string): string | undefined {
  try {
    const pattern = new RegExp(`^${tool}-[0-9a-f]{16}$`);
    const folder = readdirSync(cache).find((name) => pattern.test(name));
    return folder && join(cache, folder, tool);
  } catch {
    return undefined;
  }
}

const helmPath = findTool("helm");
const rulesPath = findTool("promrules");
/** Why these tests cannot run; false when they can. */
export const skip =
  (helmPath === undefined || rulesPath === undefined) &&
  "not built: bash e2e/tools/build.sh helm promrules";

export interface Output {
  readonly code: number;
  readonly text: string;
  readonly errors: string;
}

/** Runs a program in the checkout; never rejects. */
export function run(program: string, ...args: string[]): Promise<Output> {
  const env = { ...process.env, HELM: helmPath };
  return new Promise((resolve) => {
    execFile(program, args, { cwd: root, env, maxBuffer: 64 << 20 }, (error, text, errors) => {
      resolve({ code: error === null ? 0 : 1, text, errors });
    });
  });
}

export const helm = (...args: string[]): Promise<Output> => run(helmPath ?? "helm", ...args);

/** Rule groups as Prometheus reads them. */
export function checkRules(groups: object): Promise<Output> {
  return withFile({ groups }, (file) => run(rulesPath ?? "promrules", file));
}

/** The objects a chart renders to with these values, by "Kind name" or "Kind namespace/name". */
export async function render(
  chart: string,
  values: object = {},
  ...flags: string[]
): Promise<Map<string, Rendered>> {
  const { code, text, errors } = await template(chart, values, ...flags);
  if (code !== 0) throw new Error(errors);
  const objects = parseAllDocuments(text)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null);
  return new Map(
    objects.map((object) => {
      const { namespace, name } = object.metadata;
      const isForeign = namespace !== undefined && namespace !== "ops";
      return [`${object.kind} ${isForeign ? `${namespace}/` : ""}${name}`, object];
    }),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into every kind of object
export type Rendered = KubeObject<any> & { readonly rules?: unknown };

/** `helm template` for a release called r in namespace ops. */
export function template(chart: string, values: object, ...flags: string[]): Promise<Output> {
  return withFile(values, (file) =>
    helm("template", "r", `charts/${chart}`, "-n", "ops", "-f", file, ...flags),
  );
}

async function withFile<T>(content: object, use: (file: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "quoin-charts-"));
  try {
    const file = join(folder, "content.json");
    writeFileSync(file, JSON.stringify(content));
    return await use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

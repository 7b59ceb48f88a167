// Files that are made from the definitions.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { apiPage } from "./api-page.ts";
import { readDefinitions, root } from "./definitions.ts";
import { valuesSchema } from "./values-schema.ts";

/** Where charts/quoin has the definitions that it installs. */
export const chartFolder = "charts/quoin/crd-files";

/** Path, from the root, and text of each. */
export function generatedFiles(): Record<string, string> {
  const definitions = readDefinitions();
  return {
    "docs/api.md": apiPage(definitions),
    "charts/etcd-cluster/values.schema.json": valuesSchema(definitions),
    ...chartsDefinitions(),
  };
}

/**
 * The chart's own copy: Helm packs nothing from outside a chart's folder, and a symbolic link gets lost
 * where a checkout is copied or packed by other tools.
 */
function chartsDefinitions(): Record<string, string> {
  const files = readdirSync(join(root, "crds")).sort();
  const textOf = (file: string): string => readFileSync(join(root, "crds", file), "utf8");
  return Object.fromEntries(files.map((file) => [`${chartFolder}/${file}`, textOf(file)]));
}

// Files that are made from the definitions.

import { apiPage } from "./api-page.ts";
import { readDefinitions } from "./definitions.ts";
import { valuesSchema } from "./values-schema.ts";

/** Path, from the root, and text of each. */
export function generatedFiles(): Record<string, string> {
  const definitions = readDefinitions();
  return {
    "docs/api.md": apiPage(definitions),
    "charts/etcd-cluster/values.schema.json": valuesSchema(definitions),
  };
}

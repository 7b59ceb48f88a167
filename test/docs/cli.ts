// `npm run generate`: writes what is made from crds/.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./definitions.ts";
import { generatedFiles } from "./generated.ts";

for (const [path, text] of Object.entries(generatedFiles())) {
  writeFileSync(join(root, path), text);
  console.log(path);
}

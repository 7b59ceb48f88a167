// The oldest supported Kubernetes: the definitions and a cluster's life on its API server.

import { after, before } from "node:test";
import { registerBackupSpecTests } from "./backup-spec-tests.ts";
import { setUp, skip, tearDown } from "./environment.ts";
import { registerLifeTest } from "./life-tests.ts";
import { registerRestoreSpecTests } from "./restore-spec-tests.ts";
import { registerScopeTests } from "./scope-tests.ts";
import { registerSpecTests } from "./spec-tests.ts";
import { registerUpgradeTests } from "./upgrade-tests.ts";

before(async () => {
  if (!skip) await setUp();
});
after(tearDown);

registerUpgradeTests();
registerSpecTests();
registerBackupSpecTests();
registerRestoreSpecTests();
registerLifeTest();
registerScopeTests();

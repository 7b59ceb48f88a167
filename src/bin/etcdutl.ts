// `quoin util`, also as `etcdutl`: work on files. Storage and boot are loaded only for commands that
// need them.

import { runEtcdutl } from "../ctl/index.ts";

export const main = (argv: string[], env: NodeJS.ProcessEnv): Promise<number> =>
  runEtcdutl(argv, env, async () => (await import("./util-work.ts")).utilWork(env));

// `quoin ctl`, also as `etcdctl`: the client's command line. The storage engine is loaded only for
// the commands that older etcdctls had for files.

import { runEtcdctl } from "../ctl/index.ts";

export const main = (argv: string[], env: NodeJS.ProcessEnv): Promise<number> =>
  runEtcdctl(argv, env, async () => (await import("./snapshot-work.ts")).snapshotFileWork());

/** The plugin as a program: arguments in, exit code out. */
import { KubeConfig } from "@kubernetes/client-node";
import { KubeApi, KubeError } from "../operator/runtime/index.ts";
import type { Clock } from "../ports/index.ts";
import { backup } from "./backup.ts";
import { type Flags, parseCommandLine, usage } from "./command-line.ts";
import { Refusal } from "./context.ts";
import { restore } from "./restore.ts";
import { status } from "./status.ts";

export interface PluginIo {
  readonly clock: Clock;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly signal: AbortSignal;
  /** The API and the context's namespace; default: of the kubeconfig that the flags name. */
  readonly connect?: (flags: Flags) => { readonly api: KubeApi; readonly namespace: string };
}

const commands = { status, backup, restore };

/** Resolves to the exit code: 0 done, 1 refused or failed, 2 bad arguments. */
export async function runPlugin(argv: readonly string[], io: PluginIo): Promise<number> {
  try {
    const line = parseCommandLine(argv);
    if (line === "help") {
      io.stdout(usage);
      return 0;
    }
    const { api, namespace } = (io.connect ?? connect)(line.flags);
    try {
      const context = { ...io, api, namespace: line.flags.namespace ?? namespace };
      return await commands[line.command](line, context);
    } finally {
      api.close();
    }
  } catch (error) {
    if (error instanceof TypeError && !isBug(error)) {
      io.stderr(`kubectl quoin: ${error.message}\n\nkubectl quoin --help shows the flags\n`);
      return 2;
    }
    if (error instanceof Refusal || error instanceof KubeError) {
      io.stderr(`kubectl quoin: ${error.message}\n`);
      return 1;
    }
    throw error;
  }
}

/** parseArgs and our own checks throw TypeErrors with a message for the user; V8's are bugs. */
const isBug = (error: TypeError): boolean =>
  /^Cannot (read|set)|is not (a function|iterable)/.test(error.message);

function connect(flags: Flags): { api: KubeApi; namespace: string } {
  const config = new KubeConfig();
  if (flags.kubeconfig === undefined) config.loadFromDefault();
  else config.loadFromFile(flags.kubeconfig);
  if (flags.context !== undefined) {
    if (config.getContextObject(flags.context) === null) {
      throw new Refusal(`the kubeconfig has no context ${flags.context}`);
    }
    config.setCurrentContext(flags.context);
  }
  const context = config.getContextObject(config.getCurrentContext());
  return { api: new KubeApi(config), namespace: context?.namespace ?? "default" };
}

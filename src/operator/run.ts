/** The operator as a program: flags in, exit code out. */
import { KubeConfig } from "@kubernetes/client-node";
import type { Clock, Logger, LogLevel, Random } from "../ports/index.ts";
import { checkInstallation } from "./check.ts";
import { ClientAdmin } from "./etcd/index.ts";
import { Operator } from "./operator.ts";
import { parseOptions, usage } from "./options.ts";
import { KubeApi } from "./runtime/index.ts";

export interface OperatorIo {
  readonly clock: Clock;
  readonly random: Random;
  readonly createLogger: (level: LogLevel) => Logger;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Aborted by SIGTERM and SIGINT. */
  readonly signal: AbortSignal;
}

/** Resolves to the exit code: 0 stopped, 1 lease lost or start failed, 2 bad flags. */
export async function runOperator(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  io: OperatorIo,
): Promise<number> {
  let options: ReturnType<typeof parseOptions>;
  try {
    options = parseOptions(argv, env);
  } catch (error) {
    io.stderr(`quoin operator: ${error instanceof Error ? error.message : error}\n\n${usage}`);
    return 2;
  }
  if (options === "help") {
    io.stdout(usage);
    return 0;
  }
  const logger = io.createLogger(options.logLevel);
  try {
    const config = new KubeConfig();
    if (options.kubeconfig !== "") config.loadFromFile(options.kubeconfig);
    else config.loadFromDefault();
    const api = new KubeApi(config);
    if (options.check) return await checkInstallation(options, { api, ...io });
    logger.info("starting operator", { ...options, server: config.getCurrentCluster()?.server });
    const { clock, random } = io;
    const etcd = new ClientAdmin(clock);
    const operator = new Operator(options, { api, etcd, clock, random, logger });
    const outcome = await operator.run(io.signal);
    logger.info("operator ended", { outcome });
    return outcome === "stopped" ? 0 : 1;
  } catch (error) {
    logger.error("operator failed", { error });
    return 1;
  }
}

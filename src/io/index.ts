/** The Node implementations of src/ports. */
export { createClock } from "./clock.ts";
export { createDisk } from "./disk.ts";
export { type FaultsOptions, noFaults, openFaults, type SwitchableFaults } from "./faults.ts";
export { type LogRotation, openLogOutputs } from "./log-output.ts";
export { createLogger, type LogFormat, type LoggerOptions } from "./logger.ts";
export { createRandom } from "./random.ts";

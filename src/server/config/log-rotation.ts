import type { FlagValues } from "./flag-values.ts";
import type { LogRotationConfig } from "./types.ts";
import { fail, ok, type Parsed } from "./values.ts";

/** lumberjack's default for a size of 0. */
const defaultMegabytes = 100;
const dayMs = 86_400_000;
const plainOutputs = new Set(["default", "stderr", "stdout"]);

/**
 * --enable-log-rotation and --log-rotation-config-json; undefined where files just grow. Source: etcd
 * server/embed/config_logging.go setupLogRotation.
 */
export function logRotation(v: FlagValues): Parsed<LogRotationConfig | undefined> {
  if (!v.bool("enable-log-rotation")) return ok(undefined);
  const outputs = v.list("log-outputs");
  const files = outputs.filter((o) => !plainOutputs.has(o)).length;
  if ((outputs.length === 1 && files === 0) || files > 1) {
    return fail(
      "--log-outputs requires a single file path when --log-rotate-config-json is defined",
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(v.text("log-rotation-config-json"));
  } catch (error) {
    return fail(`improperly formatted log rotation config: ${(error as Error).message}`);
  }
  // Go leaves a struct as it is where JSON says null.
  const fields = (json ?? {}) as Record<string, unknown>;
  const number = (name: string): number => Number(fields[name] ?? 0);
  const numbers = ["maxsize", "maxage", "maxbackups"].map(number);
  if (typeof fields !== "object" || Array.isArray(fields) || !numbers.every(Number.isSafeInteger)) {
    return fail("invalid log rotation config: maxsize, maxage and maxbackups are whole numbers");
  }
  return ok({
    maxBytes: (number("maxsize") || defaultMegabytes) * 2 ** 20,
    maxAgeMs: number("maxage") * dayMs,
    maxBackups: number("maxbackups"),
    localTime: fields["localtime"] === true,
    compress: fields["compress"] === true,
  });
}

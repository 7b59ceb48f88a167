// Warnings and errors in the API server's log, by class.

/** What the lines of one cause have in common once times, addresses, names and numbers are gone. */
export interface LineClass {
  /** Severity, source file or logger, text: "W logging.go: [core] [Channel #N SubChannel #N] grpc: ..." */
  readonly text: string;
  readonly count: number;
  readonly example: string;
}

// I1122 18:16:25.694313      29 logging.go:55] text
const format = /^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ([\w.-]+):\d+\] (.*)$/;

/** Classes of what is a warning or worse, the most frequent first; a panic's own lines are errors too. */
export function lineClasses(lines: readonly string[]): LineClass[] {
  const classes = new Map<string, { count: number; example: string }>();
  for (const line of lines) {
    const text = classOf(line);
    if (text === undefined) continue;
    const known = classes.get(text);
    if (known === undefined) classes.set(text, { count: 1, example: line });
    else known.count++;
  }
  return [...classes].map(([text, rest]) => ({ text, ...rest })).sort((a, b) => b.count - a.count);
}

function classOf(line: string): string | undefined {
  if (line.startsWith("{")) return clientClassOf(line);
  const [, severity, file, text] = format.exec(line) ?? [];
  if (text === undefined || file === undefined) {
    return /^(panic|fatal error|goroutine \d+ \[running\])/.test(line) ? line : undefined;
  }
  return severity === "I" ? undefined : `${severity} ${file}: ${plain(text)}`;
}

/** The etcd client in the API server writes JSON. */
function clientClassOf(line: string): string | undefined {
  const { level, logger, msg, method, error } = JSON.parse(line) as Record<string, string>;
  if (level === "info" || level === "debug") return undefined;
  return `${level === "warn" ? "W" : "E"} ${logger}: ${plain(`${msg} ${method ?? ""} ${error ?? ""}`)}`;
}

const plain = (text: string): string =>
  text
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UID")
    .replaceAll(/\d+\.\d+\.\d+\.\d+(:\d+)?/g, "ADDR")
    .replaceAll(/0x[0-9a-f]+/g, "N")
    .replaceAll(/\b\d[\d.]*(µs|ms|s|m\d+s)?\b/g, "N")
    .replaceAll(/#\d+/g, "#N");

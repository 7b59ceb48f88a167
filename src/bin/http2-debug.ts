// GODEBUG=http2debug=2, which people use with etcd to see the headers that its clients send.

/**
 * Writes header fields as Go's HTTP/2 does; undefined unless the environment asks for it. `write` is
 * given whole lines. (golang.org/x/net/http2, frame.go and http2.go: the frame reader logs from
 * level 2 on.)
 */
export function openHttp2Debug(
  env: NodeJS.ProcessEnv,
  write: (line: string) => void,
): ((fields: readonly string[]) => void) | undefined {
  const settings = (env["GODEBUG"] ?? "").split(",");
  if (!settings.includes("http2debug=2")) return undefined;
  return (fields) => {
    for (let i = 0; i < fields.length; i += 2) {
      const field = `${JSON.stringify(fields[i])} = ${JSON.stringify(fields[i + 1])}`;
      write(`${goLogTime(new Date())} http2: decoded hpack field header field ${field}\n`);
    }
  };
}

/** The time as Go's log package writes it: 2006/01/02 15:04:05, local. */
function goLogTime(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("/");
  return `${day} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
}

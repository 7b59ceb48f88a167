/**
 * Peer and client URLs as etcd parses and prints them (client/pkg/types/urls.go over Go's
 * net/url), with the same error texts. Only what a member URL can be is understood.
 */

/** One URL, split. `text` is what etcd prints and hashes. */
export interface MemberUrl {
  readonly text: string;
  /** http, https, unix or unixs. */
  readonly scheme: string;
  /** host:port for http and https; for unix what stands before the first slash. */
  readonly host: string;
  /** Empty for http and https; for unix the rest of the socket's path. */
  readonly path: string;
}

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: string };

const ok = <T>(value: T): Result<T> => ({ ok: true, value });
const fail = (error: string): Result<never> => ({ ok: false, error });

/** Parses and sorts a list of URLs (types.NewURLs): http(s) needs host:port and no path. */
export function parseUrls(texts: readonly string[]): Result<MemberUrl[]> {
  if (texts.length === 0) return fail("no valid URLs given");
  const urls: MemberUrl[] = [];
  for (const text of texts) {
    const trimmed = text.trim();
    const parsed = parseUrl(trimmed);
    if (!parsed.ok) return parsed;
    const url = parsed.value;
    if (url.scheme === "http" || url.scheme === "https") {
      if (!isHostPort(url.host)) {
        return fail(`URL address does not have the form "host:port": ${trimmed}`);
      }
      if (url.path !== "") return fail(`URL must not contain a path: ${trimmed}`);
    } else if (url.scheme !== "unix" && url.scheme !== "unixs") {
      return fail(`URL scheme must be http, https, unix, or unixs: ${trimmed}`);
    }
    urls.push(url);
  }
  return ok(urls.sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0)));
}

/** Names to their URLs, as `--initial-cluster` gives them. */
export type UrlsMap = ReadonlyMap<string, readonly MemberUrl[]>;

/**
 * Parses `name=url,name=url` (types.NewURLsMap); a name may come several times, each time with
 * one more URL. The empty string is the empty map.
 */
export function parseInitialCluster(text: string): Result<UrlsMap> {
  const lists = new Map<string, string[]>();
  for (const part of text.split(",")) {
    if (part === "") continue;
    const eq = part.indexOf("=");
    const name = eq < 0 ? part : part.slice(0, eq);
    const value = eq < 0 ? "" : part.slice(eq + 1);
    const list = lists.get(name);
    if (list === undefined) lists.set(name, [value]);
    else list.push(value);
  }
  const map = new Map<string, readonly MemberUrl[]>();
  for (const [name, list] of lists) {
    const urls = parseUrls(list);
    if (!urls.ok) return urls;
    map.set(name, urls.value);
  }
  return ok(map);
}

/** The map as etcd prints it: `name=url` pairs, sorted. */
export function formatInitialCluster(map: UrlsMap): string {
  const pairs: string[] = [];
  for (const [name, urls] of map) for (const u of urls) pairs.push(`${name}=${u.text}`);
  return pairs.sort().join(",");
}

/** Whether one URL belongs to two places of the map (config.CheckDuplicateURL). */
export function hasDuplicateUrl(map: UrlsMap): boolean {
  const seen = new Set<string>();
  for (const urls of map.values()) {
    for (const u of urls) {
      if (seen.has(u.text)) return true;
      seen.add(u.text);
    }
  }
  return false;
}

/** Splits one URL as Go's url.Parse would; errors read `parse "...": reason`. */
export function parseUrl(raw: string): Result<MemberUrl> {
  const bad = (reason: string): Result<never> => fail(`parse ${goQuote(raw)}: ${reason}`);
  if (hasControl(raw)) return bad("net/url: invalid control character in URL");
  const hash = raw.indexOf("#");
  const text = hash < 0 ? raw : raw.slice(0, hash);
  const split = splitScheme(text);
  if (split === undefined) return bad("missing protocol scheme");
  const scheme = split.scheme.toLowerCase();
  let rest = split.rest;
  const query = rest.indexOf("?");
  const tail = query < 0 ? "" : rest.slice(query);
  if (query >= 0) rest = rest.slice(0, query);
  const printed = (body: string): string => `${scheme === "" ? "" : `${scheme}:`}${body}${tail}`;
  if (!rest.startsWith("/")) {
    if (scheme !== "") return ok({ text: printed(rest), scheme, host: "", path: "" });
    if ((rest.split("/", 1)[0] as string).includes(":")) {
      return bad("first path segment in URL cannot contain colon");
    }
  }
  if (scheme === "" || !rest.startsWith("//")) {
    return ok({ text: printed(rest), scheme, host: "", path: rest });
  }
  const slash = rest.indexOf("/", 2);
  const authority = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
  const path = slash < 0 ? "" : rest.slice(slash);
  const host = authority.slice(authority.lastIndexOf("@") + 1);
  const problem = hostProblem(host);
  if (problem !== undefined) return bad(problem);
  return ok({ text: printed(rest), scheme, host, path });
}

/** Undefined where a colon comes first; no scheme where something else than a scheme does. */
function splitScheme(text: string): { scheme: string; rest: string } | undefined {
  const m = /^([A-Za-z][A-Za-z0-9+\-.]*):/.exec(text);
  if (m !== null) return { scheme: m[1] as string, rest: text.slice((m[0] as string).length) };
  return text.startsWith(":") ? undefined : { scheme: "", rest: text };
}

function hostProblem(host: string): string | undefined {
  const badEscape = /%(?![0-9A-Fa-f]{2})(.{0,2})/.exec(host);
  if (host.startsWith("[")) {
    const close = host.lastIndexOf("]");
    if (close < 0) return "missing ']' in host";
    const after = host.slice(close + 1);
    if (!isPortSuffix(after)) return `invalid port ${goQuote(after)} after host`;
  } else {
    const colon = host.indexOf(":");
    if (colon >= 0 && !isPortSuffix(host.slice(colon))) {
      return `invalid port ${goQuote(host.slice(colon))} after host`;
    }
  }
  if (badEscape !== null) return `invalid URL escape ${goQuote(badEscape[0] as string)}`;
  const badChar = /[ "<>\\^`{|}]/.exec(host);
  if (badChar !== null && !host.startsWith("[")) {
    return `invalid character ${goQuote(badChar[0] as string)} in host name`;
  }
  return undefined;
}

const isPortSuffix = (s: string): boolean => s === "" || /^:\d*$/.test(s);

/** Whether Go's net.SplitHostPort accepts the text. */
export function isHostPort(text: string): boolean {
  if (text.startsWith("[")) return /^\[[^[\]]*\]:[^[\]:]*$/.test(text);
  return /^[^[\]:]*:[^[\]:]*$/.test(text);
}

function hasControl(s: string): boolean {
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c < 0x20 || c === 0x7f) return true;
  }
  return false;
}

/** A string as Go's %q prints it. */
export function goQuote(s: string): string {
  let out = '"';
  for (const c of s) {
    const code = c.codePointAt(0) as number;
    if (c === '"' || c === "\\") out += `\\${c}`;
    else if (c === "\n") out += "\\n";
    else if (c === "\t") out += "\\t";
    else if (c === "\r") out += "\\r";
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, "0")}`;
    else out += c;
  }
  return `${out}"`;
}

/** Values as Go's flag package, strconv and time parse them, with their error texts. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: string };

export const ok = <T>(value: T): Parsed<T> => ({ ok: true, value });
export const fail = (error: string): Parsed<never> => ({ ok: false, error });

const trueWords = ["1", "t", "T", "TRUE", "true", "True"];
const falseWords = ["0", "f", "F", "FALSE", "false", "False"];

/** strconv.ParseBool. */
export function parseBool(text: string): boolean | undefined {
  if (trueWords.includes(text)) return true;
  return falseWords.includes(text) ? false : undefined;
}

/** Why an integer does not parse: what flag.Value says, and what strconv says. */
type IntegerProblem = "syntax" | "range";

/** strconv.ParseUint and ParseInt with base 0: 0x, 0o, 0b and a leading 0 count. */
export function parseInteger(
  text: string,
  signed: boolean,
  bits: 32 | 64,
): number | IntegerProblem {
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  if (sign !== "" && !signed) return "syntax";
  const digits = text.slice(sign.length);
  const magnitude = parseMagnitude(digits);
  if (magnitude === undefined) return "syntax";
  const value = sign === "-" ? -magnitude : magnitude;
  const fits = signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
  if (fits !== value) return "range";
  // Beyond 2^53 a counter means "without bound" anyway.
  const max = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > max ? max : value < -max ? -max : value);
}

function parseMagnitude(digits: string): bigint | undefined {
  const plain = /^(0[xX]_?|0[oO]?_?|0[bB]_?)?[0-9a-fA-F](_?[0-9a-fA-F])*$/.test(digits)
    ? digits.replaceAll("_", "")
    : undefined;
  if (plain === undefined) return undefined;
  if (/^0[xX][0-9a-fA-F]+$/.test(plain) || /^0[bB][01]+$/.test(plain)) return BigInt(plain);
  if (/^0[oO][0-7]+$/.test(plain)) return BigInt(plain.toLowerCase());
  if (/^0[0-7]+$/.test(plain)) return BigInt(`0o${plain.slice(1)}`);
  return /^(0|[1-9][0-9]*)$/.test(plain) ? BigInt(plain) : undefined;
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "\u00b5s": 1e-3,
  "\u03bcs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Longest time.Duration: 2^63 - 1 ns. */
const durationMsMax = 9223372036854.775;

/** time.ParseDuration, in milliseconds; errors as Go words them. */
export function parseDuration(text: string): Parsed<number> {
  const quoted = JSON.stringify(text);
  const bad = fail(`time: invalid duration ${quoted}`);
  const m = /^([+-]?)(.+)$/.exec(text);
  if (m === null) return bad;
  let rest = m[2] as string;
  if (rest === "0") return ok(0);
  let ms = 0;
  while (rest !== "") {
    const part = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest);
    if (part === null) return bad;
    const unit = part[2] as string;
    if (unit === "") return fail(`time: missing unit in duration ${quoted}`);
    const factor = unitMs[unit];
    if (factor === undefined) {
      return fail(`time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`);
    }
    ms += Number(part[1]) * factor;
    rest = rest.slice(part[0].length);
  }
  if (ms > durationMsMax) return bad;
  return ok(m[1] === "-" ? -ms : ms);
}

/** Go's Duration.String. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  const sign = ms < 0 ? "-" : "";
  const abs = Math.abs(ms);
  const trim = (n: number): string => String(Number(n.toFixed(9)));
  if (abs < 1e-3) return `${sign}${trim(abs * 1e6)}ns`;
  if (abs < 1) return `${sign}${trim(abs * 1e3)}\u00b5s`;
  if (abs < 1000) return `${sign}${trim(abs)}ms`;
  const hours = Math.floor(abs / 3_600_000);
  const minutes = Math.floor((abs % 3_600_000) / 60_000);
  const seconds = trim((abs % 60_000) / 1000);
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`;
}

/** Text for terminals: tables, ages and sizes as kubectl prints them. */

/** Columns as wide as they must be; an absent cell is `-`. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number | undefined)[])[],
): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => String(cell ?? "-") || "-"))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

/** Every line moved to the right. */
export const indent = (text: string): string => text.replace(/^(?=.)/gm, "  ");

const day = 86_400;

/** `45s`, `12m`, `5h`, `3d`: whole units, two while the second says something. */
export function ago(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s}s`;
  if (s < 600) return s % 60 === 0 ? `${s / 60}m` : `${Math.floor(s / 60)}m${s % 60}s`;
  if (s < 2 * 3600) return `${Math.floor(s / 60)}m`;
  if (s < 2 * day) return `${Math.floor(s / 3600)}h`;
  return `${Math.floor(s / day)}d`;
}

/** Time since an RFC 3339 time; undefined stays so. */
export function age(time: string | undefined, nowMs: number): string | undefined {
  return time === undefined ? undefined : ago((nowMs - Date.parse(time)) / 1000);
}

/** Bytes in the unit that fits: `812 B`, `3.2 MiB`. */
export function size(bytes: number | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

// A metrics page by its shape: names with their types, labels and buckets.

export interface Shape {
  readonly type: string;
  /** Names of labels, sorted; empty where nothing was counted. */
  readonly labels: readonly string[];
  /** Upper bounds of buckets as they are written. */
  readonly buckets: readonly string[];
  /** Lines with values. */
  readonly lines: number;
}

export function shapes(page: string): Map<string, Shape> {
  const found = new Map<
    string,
    { type: string; labels: Set<string>; buckets: Set<string>; lines: number }
  >();
  for (const line of page.split("\n")) {
    const declared = /^# TYPE (\S+) (\S+)/.exec(line);
    if (declared !== null) {
      const [, name = "", type = ""] = declared;
      found.set(name, { type, labels: new Set(), buckets: new Set(), lines: 0 });
    }
    const value = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line);
    if (value === null) continue;
    const [, name = "", labels = ""] = value;
    const shape = found.get(name) ?? found.get(name.replace(/_(bucket|sum|count)$/, ""));
    if (shape === undefined) throw new Error(`a value without a type: ${line}`);
    shape.lines++;
    for (const [, label = "", text = ""] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
      if (label === "le") shape.buckets.add(text);
      else if (label !== "quantile") shape.labels.add(label);
    }
  }
  return new Map(
    [...found].map(([name, s]) => {
      const labels = [...s.labels].sort();
      return [name, { type: s.type, labels, buckets: [...s.buckets], lines: s.lines }];
    }),
  );
}

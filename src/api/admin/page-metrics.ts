/** Metrics whose figures stand elsewhere and are taken over when the page is read. */
import type { Metric, Registry } from "prom-client";
import type { Distribution } from "../../lib/distribution.ts";

export type Labels = Readonly<Record<string, string>>;

interface Value {
  readonly metricName?: string;
  readonly labels: Labels;
  readonly value: number;
}

/** A gauge or counter with labels: all its values, as of now. */
export function addReadings(
  registry: Registry,
  type: "gauge" | "counter",
  name: string,
  help: string,
  read: () => Iterable<readonly [labels: Labels, value: number]>,
): void {
  const values = (): Value[] => [...read()].map(([labels, value]) => ({ labels, value }));
  add(registry, { name, help, type, values });
}

/** A histogram of these distributions, one for each set of labels. */
export function addHistogram(
  registry: Registry,
  name: string,
  help: string,
  read: () => Iterable<readonly [labels: Labels, d: Distribution]>,
): void {
  const values = (): Value[] => [...read()].flatMap(([labels, d]) => valuesOf(name, labels, d));
  add(registry, { name, help, type: "histogram", values });
}

function valuesOf(name: string, labels: Labels, d: Distribution): Value[] {
  const values: Value[] = [];
  let total = 0;
  d.counts.forEach((n, i) => {
    total += n;
    const bound = d.bounds[i];
    const le = bound === undefined ? "+Inf" : goNumber(bound);
    values.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: total });
  });
  values.push({ metricName: `${name}_sum`, labels, value: d.sum });
  values.push({ metricName: `${name}_count`, labels, value: total });
  return values;
}

/** As Go prints floats ('g', shortest), which is how bounds are labelled: 1.048576e+06. */
export function goNumber(n: number): string {
  if (n === 0 || (n >= 1e-4 && n < 1e6)) return String(n);
  const [mantissa, exponent = "+0"] = n.toExponential().split("e");
  const sign = exponent[0] === "-" ? "-" : "+";
  return `${mantissa}e${sign}${exponent.replace(/^[+-]/, "").padStart(2, "0")}`;
}

interface Read {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: () => Value[];
}

/** What the registry asks of a metric is its name and `get`. */
function add(registry: Registry, { name, help, type, values }: Read): void {
  const metric = { name, help, type, get: () => ({ name, help, type, values: values() }) };
  registry.registerMetric(metric as unknown as Metric<string>);
}

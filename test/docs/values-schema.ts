// charts/etcd-cluster/values.schema.json: the definitions' schemas as JSON Schema, so that Helm
// refuses a misspelt field before anything reaches the API server.

import type { Definition, Schema } from "./definitions.ts";

const kept = [
  "description",
  "enum",
  "pattern",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "required",
] as const;

/** The file's text. */
export function valuesSchema(definitions: readonly Definition[]): string {
  const text = { type: "string" };
  const texts = { type: "object", additionalProperties: text };
  const { clusterRef: _, ...schedule } = specOf(definitions, "EtcdBackupSchedule").properties ?? {};
  const required = specOf(definitions, "EtcdBackupSchedule").required ?? [];
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Values of the chart etcd-cluster; made from crds/ by npm run generate",
    type: "object",
    additionalProperties: false,
    required: ["spec"],
    properties: {
      global: { type: "object" },
      name: { ...text, maxLength: 40 },
      labels: texts,
      annotations: texts,
      spec: convert(specOf(definitions, "EtcdCluster")),
      schedules: {
        type: "object",
        propertyNames: { pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" },
        additionalProperties: convert({
          type: "object",
          properties: schedule,
          required: required.filter((name) => name !== "clusterRef"),
        }),
      },
    },
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

function specOf(definitions: readonly Definition[], kind: string): Schema {
  const found = definitions.find((definition) => definition.kind === kind);
  return found?.schema.properties?.["spec"] ?? {};
}

function convert(schema: Schema): object {
  if (schema["x-kubernetes-int-or-string"]) return { type: ["integer", "string"] };
  const out: Record<string, unknown> = {};
  if (schema.type !== undefined) out["type"] = schema.type;
  for (const key of kept) if (schema[key] !== undefined) out[key] = schema[key];
  if (schema.items !== undefined) out["items"] = convert(schema.items);
  if (schema.additionalProperties !== undefined) {
    out["additionalProperties"] = convert(schema.additionalProperties);
  }
  if (schema.properties !== undefined) {
    const fields = Object.entries(schema.properties);
    out["properties"] = Object.fromEntries(fields.map(([name, field]) => [name, convert(field)]));
    if (!schema["x-kubernetes-preserve-unknown-fields"]) out["additionalProperties"] = false;
  }
  return out;
}

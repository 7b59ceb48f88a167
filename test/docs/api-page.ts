// docs/api.md: every field of every resource, from the definitions.

import type { Definition, Schema } from "./definitions.ts";

const head = `# API reference

Made from \`crds/\` by \`npm run generate\`; change the definitions, not this page. Fields in bold are required.
\`kubectl explain etcdcluster.spec\` says the same on a cluster. An object that breaks a rule is refused
when it is applied, with the rule's text.
`;

/** The page, as Markdown. */
export function apiPage(definitions: readonly Definition[]): string {
  return [head, ...definitions.map(section)].join("\n");
}

function section(definition: Definition): string {
  const { kind, version, plural, shortNames, columns, schema } = definition;
  const names = [plural, ...shortNames].map(code).join(", ");
  const shown = columns.filter((column) => (column.priority ?? 0) === 0).map(({ name }) => name);
  const lines = [`## ${kind}`, "", sentence(schema.description), ""];
  lines.push(
    `${code(version)}; names for kubectl: ${names}. \`kubectl get\` shows ${list(shown)}.`,
  );
  if (messages(schema).length > 0) lines.push("");
  for (const message of messages(schema)) lines.push(`- ${message}`);
  for (const part of ["spec", "status"]) {
    const fields = schema.properties?.[part];
    if (fields === undefined) continue;
    lines.push("", `### ${kind} ${part}`, "");
    for (const message of messages(fields)) lines.push(`- ${message}`);
    if (messages(fields).length > 0) lines.push("");
    lines.push("| field | type | |", "| --- | --- | --- |", ...rows(fields, ""));
  }
  return `${lines.join("\n")}\n`;
}

function rows(schema: Schema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix + name;
    const isRequired = schema.required?.includes(name);
    const shown = isRequired ? `**${path}**` : path;
    const own = `| ${shown} | ${cell(typeOf(field))} | ${cell(about(field))} |`;
    return [own, ...rows(inner(field), `${path}${suffix(field)}`)];
  });
}

/** The schema whose properties are a field's children. */
function inner(field: Schema): Schema {
  return field.items ?? field.additionalProperties ?? field;
}

function suffix(field: Schema): string {
  if (field.items !== undefined) return "[].";
  return field.additionalProperties === undefined ? "." : "{}.";
}

function typeOf(schema: Schema): string {
  if (schema["x-kubernetes-int-or-string"]) return "quantity";
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  if (schema.additionalProperties !== undefined) {
    return `map of ${typeOf(schema.additionalProperties)}`;
  }
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(", ");
  if (schema.format === "date-time") return "time";
  if (schema["x-kubernetes-preserve-unknown-fields"]) return "object (open)";
  return schema.type ?? "";
}

function about(schema: Schema): string {
  const parts = [sentence(schema.description), bounds(schema)];
  if (schema.default !== undefined) parts.push(`Default ${code(JSON.stringify(schema.default))}.`);
  const rules = messages(schema);
  return [...parts, ...rules].filter((part) => part !== "").join("<br>");
}

function bounds(schema: Schema): string {
  const known: [string, unknown][] = [
    ["at least", schema.minimum],
    ["at most", schema.maximum],
    ["items at least", schema.minItems],
    ["items at most", schema.maxItems],
    ["entries at most", schema.maxProperties],
  ];
  const texts = known.filter(([, value]) => value !== undefined).map(([text, v]) => `${text} ${v}`);
  if (schema.pattern !== undefined) texts.push(`matches ${code(schema.pattern)}`);
  return texts.join(", ");
}

const messages = (schema: Schema): string[] =>
  (schema["x-kubernetes-validations"] ?? []).map(({ message }) => `Rule: ${sentence(message)}`);

const code = (text: string): string => `\`${text}\``;
const list = (names: readonly string[]): string => names.join(", ").toLowerCase();
/** On one line; Markdown would take <name> for HTML. */
const sentence = (text: string | undefined): string =>
  (text ?? "").replace(/\s+/g, " ").trim().replaceAll("<", "&lt;");
/** Inside a table a bar ends the cell, in code too. */
const cell = (text: string): string => text.replaceAll("|", "\\|");

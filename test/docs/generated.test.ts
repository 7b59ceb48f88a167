import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readDefinitions, root, type Schema } from "./definitions.ts";
import { chartFolder, generatedFiles } from "./generated.ts";

const files = generatedFiles();

for (const [path, text] of Object.entries(files)) {
  test(`${path} is what the definitions say`, () => {
    const isCurrent = readFileSync(join(root, path), "utf8") === text;
    assert.ok(isCurrent, "out of date: npm run generate");
  });
}

test("the chart holds no definition that crds/ does not", () => {
  const held = readdirSync(join(root, chartFolder)).map((file) => `${chartFolder}/${file}`);
  assert.deepEqual(
    held.filter((path) => !(path in files)),
    [],
  );
});

test("apiPage() has every field of every definition", () => {
  const page = files["docs/api.md"] ?? "";
  for (const { kind, schema } of readDefinitions()) {
    assert.match(page, new RegExp(`^## ${kind}$`, "m"));
    for (const name of namesIn(schema.properties?.["spec"] ?? {})) {
      assert.match(page, new RegExp(`\\b${name}\\b`), `${kind}: ${name}`);
    }
  }
});

function namesIn(schema: Schema): string[] {
  const children = [
    schema.items,
    schema.additionalProperties,
    ...Object.values(schema.properties ?? {}),
  ];
  return [
    ...Object.keys(schema.properties ?? {}),
    ...children.flatMap((child) => (child === undefined ? [] : namesIn(child))),
  ];
}

const words = new Set(
  "type description properties additionalProperties items required enum default format pattern minimum maximum minLength maxLength minItems maxItems minProperties maxProperties anyOf nullable".split(
    " ",
  ),
);

test("definitions hold only words of a schema: a comma in {...} makes new ones", () => {
  const check = (schema: Schema, path: string): void => {
    for (const word of Object.keys(schema)) {
      assert.ok(words.has(word) || word.startsWith("x-kubernetes-"), `${path}: "${word}"`);
    }
    const { items, additionalProperties, properties = {} } = schema;
    if (items !== undefined) check(items, `${path}[]`);
    if (additionalProperties !== undefined) check(additionalProperties, `${path}{}`);
    for (const [name, field] of Object.entries(properties)) check(field, `${path}.${name}`);
  };
  for (const { kind, schema } of readDefinitions()) check(schema, kind);
});

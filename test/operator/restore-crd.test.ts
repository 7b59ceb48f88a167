import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const schemaOf = (plural: string) =>
  parse(read(`crds/quoin.dev_${plural}.yaml`)).spec.versions[0].schema.openAPIV3Schema.properties;
const types = read("src/operator/types/restore.ts") + read("src/operator/types/backup.ts");

/** Fields of an interface, without those it inherits. */
function fieldsOf(name: string): string[] {
  const body = new RegExp(`interface ${name} (?:extends \\w+ )?\\{([\\s\\S]*?)\\n\\}`).exec(
    types,
  )?.[1];
  return [...(body ?? "").matchAll(/^ {2}readonly (\w+)\??:/gm)].map((m) => m[1] ?? "");
}

test("the CRDs have the fields of types/restore.ts", () => {
  const { spec, status } = schemaOf("etcdrestores");
  const cluster = schemaOf("etcdclusters");
  const { restore } = cluster.spec.properties.bootstrap.properties;
  const { transition } = cluster.status.properties;
  const location = [...fieldsOf("RestoreLocation"), ...fieldsOf("BackupDestination")];
  const pairs: [what: string, schema: { properties: object }, fields: string[]][] = [
    ["EtcdRestoreSpec", spec, [...fieldsOf("EtcdRestoreSpec"), ...fieldsOf("RestoreOptions")]],
    ["EtcdRestoreStatus", status, fieldsOf("EtcdRestoreStatus")],
    ["ResolvedSource", status.properties.source, fieldsOf("ResolvedSource")],
    ["PhaseTime", status.properties.phases.items, fieldsOf("PhaseTime")],
    ["bootstrap.restore", restore, fieldsOf("RestoreOptions")],
    ["RestoreSource", restore.properties.source, fieldsOf("RestoreSource")],
    ["RestoreLocation", restore.properties.source.properties.location, location],
    ["JobOptions", restore.properties.job, fieldsOf("JobOptions")],
    ["Transition", transition, fieldsOf("Transition")],
  ];
  for (const [what, schema, fields] of pairs) {
    assert.ok(fields.length > 1, what);
    assert.deepEqual(fields.sort(), Object.keys(schema.properties).sort(), what);
  }
});

test("the CRDs know every phase, and no other", () => {
  const union = /type RestorePhase =([\s\S]*?);/.exec(types)?.[1] ?? "";
  const phases = [...union.matchAll(/"(\w+)"/g)].map((m) => m[1]).sort();
  const { status } = schemaOf("etcdrestores");
  const { transition } = schemaOf("etcdclusters").status.properties;
  for (const schema of [status.properties.phase, transition.properties.phase]) {
    assert.deepEqual([...schema.enum].sort(), phases);
  }
});

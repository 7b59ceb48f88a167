// The definitions in crds/, as far as what is generated from them asks.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

export const root = join(import.meta.dirname, "..", "..");

/** An OpenAPI schema as definitions hold it. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly nullable?: boolean;
  readonly enum?: readonly (string | number)[];
  readonly default?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly anyOf?: readonly Schema[];
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-validations"?: readonly {
    readonly rule: string;
    readonly message: string;
  }[];
}

export interface Definition {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly version: string;
  readonly columns: readonly { readonly name: string; readonly priority?: number }[];
  readonly schema: Schema;
}

/** All of them, EtcdCluster first and the others by name. */
export function readDefinitions(): Definition[] {
  const folder = join(root, "crds");
  return readdirSync(folder)
    .map((file) => {
      const { names, group, versions } = parse(readFileSync(join(folder, file), "utf8")).spec;
      const [version] = versions;
      return {
        kind: names.kind,
        plural: names.plural,
        shortNames: names.shortNames ?? [],
        version: `${group}/${version.name}`,
        columns: version.additionalPrinterColumns ?? [],
        schema: version.schema.openAPIV3Schema,
      };
    })
    .sort((a, b) => rank(a.kind).localeCompare(rank(b.kind)));
}

const rank = (kind: string): string => (kind === "EtcdCluster" ? "" : kind);

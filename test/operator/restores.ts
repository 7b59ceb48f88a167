/** What stories and chaos do with restores: ask for them, let them fail, look at what is left. */
import type { RestoreRequest } from "../../src/operator/observe/types.ts";
import type { World } from "./world.ts";

/** As an EtcdRestore `name` that is ready: a backup at revision 100, brought to 1100. */
export function requestNamed(name: string): RestoreRequest {
  const location = { pvc: { claimName: "backups" }, key: `${name}.db` };
  const restore = { source: { location }, revisionBump: 1000 };
  return { request: `ns/${name}/uid-${name}`, restore, revision: 100 };
}

/**
 * restore NAME         an EtcdRestore is ready;   restore      it is deleted
 * restores N|REASON    restore Jobs end with revision N, or fail for that reason
 * backup NAME|missing  what spec.bootstrap.restore leads to
 * odd, even            HashKV of the newest member differs from the others', or not
 * lose-everything      every pod and volume is deleted at once
 * volumes              says what volumes there are
 */
export function playRestore(world: World, command: string, rest: readonly string[]): string[] {
  const [argument = ""] = rest;
  switch (command) {
    case "restore":
      world.request = argument === "" ? undefined : requestNamed(argument);
      return [];
    case "restores":
      world.restoreResult = /^\d+$/.test(argument) ? Number(argument) : argument;
      return [];
    case "backup": {
      const { restore } = requestNamed(argument);
      const { location } = restore.source;
      const reason = "BackupNotFound";
      world.bootstrapSource =
        argument === "missing"
          ? { kind: "missing", reason, message: "there is no EtcdBackup of that name" }
          : {
              kind: "found",
              source: { location, uri: `pvc://backups/${location.key}`, revision: 100 },
            };
      return [];
    }
    case "odd":
      world.odd.add([...world.volumes.keys()].at(-1) ?? "");
      return [];
    case "even":
      world.odd.clear();
      return [];
    case "lose-everything":
      world.pods.clear();
      world.volumes.clear();
      world.elect();
      return [];
    default:
      return [...world.volumes.values()].map(
        (v) => `  = ${v.claim} of ${v.token}${v.detached ? ", detached" : ""}`,
      );
  }
}

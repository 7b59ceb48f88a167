import type { MembershipRow } from "../core/membership/index.ts";
import type { Backend } from "../storage/backend/index.ts";

/** The rows that say who belongs to the cluster. */
export async function scanMembers(backend: Backend): Promise<MembershipRow[]> {
  const rows: MembershipRow[] = [];
  for (const bucket of ["members", "members_removed", "cluster"] as const) {
    for await (const chunk of backend.scan(bucket)) {
      for (const [key, value] of chunk) rows.push({ bucket, key, value });
    }
  }
  return rows;
}

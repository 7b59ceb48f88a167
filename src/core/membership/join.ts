import { hexId } from "../types.ts";
import type { Cluster, ClusterState } from "./cluster.ts";
import type { Member } from "./member.ts";
import { byId } from "./member.ts";
import type { Result } from "./urls.ts";

/**
 * Joins a running cluster: the members of `--initial-cluster` take the ids that the running
 * cluster gave to the same peer URLs (ValidateClusterAndAssignIDs). Peer URLs are compared as
 * text, not by resolving host names. Names stay ours; learner marks come from the cluster, so
 * that a joining learner knows itself. Make the Cluster of it with `expected: true`.
 */
export function assignIds(
  local: Cluster,
  existing: Pick<ClusterState, "clusterId" | "members">,
): Result<ClusterState> {
  const ours = local.members();
  if (ours.length !== existing.members.length) {
    return { ok: false, error: "member count is unequal" };
  }
  const members: Member[] = [];
  for (const theirs of [...existing.members].sort(byId)) {
    const match = ours.find((m) => sameUrls(m.peerURLs, theirs.peerURLs));
    if (match === undefined) {
      const urls = theirs.peerURLs.join(" ");
      return {
        ok: false,
        error: `PeerURLs: no match found for existing member (${hexId(theirs.id)}, [${urls}])`,
      };
    }
    members.push({ ...match, id: theirs.id, isLearner: theirs.isLearner });
  }
  return {
    ok: true,
    value: { clusterId: existing.clusterId, members, removed: [], clusterVersion: undefined },
  };
}

function sameUrls(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  const sorted = [...b].sort();
  return [...a].sort().every((url, i) => url === sorted[i]);
}

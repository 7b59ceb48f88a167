/** Lines that people and scripts look for in etcd's log. Source: its membership/cluster.go, raft's node.go. */
import type { MembershipEffect } from "../core/membership/index.ts";
import { type ClusterId, hexId, type MemberId } from "../core/types.ts";
import type { Fields } from "../ports/index.ts";

export function changeLine(
  effect: MembershipEffect,
  cluster: ClusterId,
  self: MemberId,
): readonly [msg: string, fields: Fields] {
  const where = { "cluster-id": hexId(cluster), "local-member-id": hexId(self) };
  const id = hexId(effect.id);
  const urls = effect.member?.peerURLs ?? [];
  const isLearner = effect.member?.isLearner ?? false;
  switch (effect.kind) {
    case "added": {
      const added = { "added-peer-id": id, "added-peer-peer-urls": urls };
      return ["added member", { ...where, ...added, "added-peer-is-learner": isLearner }];
    }
    case "promoted":
      return ["promote member", { ...where, "promoted-member-id": id }];
    case "removed":
      return ["removed member", { ...where, "removed-remote-peer-id": id }];
    case "updated": {
      const updated = { "updated-remote-peer-id": id, "updated-remote-peer-urls": urls };
      return ["updated member", { ...where, ...updated }];
    }
    case "ignored":
      return ["ignored a configuration change", { ...where, "member-id": id }];
  }
}

/** Raft's line about who leads, as its node prints it; undefined when nothing has changed. */
export function leaderLine(
  self: MemberId,
  before: MemberId,
  leader: MemberId,
  none: MemberId,
  term: number,
): string | undefined {
  if (leader === before) return undefined;
  const node = `raft.node: ${hexId(self)}`;
  if (leader === none) return `${node} lost leader ${hexId(before)} at term ${term}`;
  if (before === none) return `${node} elected leader ${hexId(leader)} at term ${term}`;
  return `${node} changed leader from ${hexId(before)} to ${hexId(leader)} at term ${term}`;
}

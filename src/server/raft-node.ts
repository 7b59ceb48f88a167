/** The Raft machine as this server runs it. */
import { asConfChangeV2, type BootState, type ConfChangeV2, RawNode } from "../core/raft/index.ts";
import type { MemberId } from "../core/types.ts";
import { raftpb } from "../proto/index.ts";
import { electionTicks, type MemberOptions, type MemberPorts } from "./options.ts";

export function createRaftNode(
  id: MemberId,
  boot: BootState,
  options: MemberOptions,
  ports: MemberPorts,
): RawNode {
  const logger = ports.logger.child({ room: "raft" });
  return new RawNode({
    id,
    random: ports.random,
    boot,
    electionTicks: electionTicks(options),
    heartbeatTicks: 1,
    preVote: options.preVote,
    ...(options.raftLogBytes === undefined ? {} : { logBytes: options.raftLogBytes }),
    decodeConfChange,
    log: (msg, fields) => logger.info(msg, fields),
  });
}

/** Undefined for bytes that are no conf change: Raft refuses to propose them. */
function decodeConfChange(type: number, data: Uint8Array): ConfChangeV2 | undefined {
  try {
    if (type === raftpb.EntryType.ConfChangeV2) return raftpb.decodeConfChangeV2(data);
    return asConfChangeV2(raftpb.decodeConfChange(data));
  } catch {
    return undefined;
  }
}

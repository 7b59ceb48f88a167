import type { Invocation } from "../command.ts";
import type { FlagSpec } from "../flags.ts";

/** Where and as whom a member begins. */
export interface NewMember {
  readonly dataDir: string;
  readonly name: string;
  readonly initialCluster: string;
  readonly initialClusterToken: string;
  readonly peerUrls: readonly string[];
}

const string = (name: string, usage: string, value = ""): FlagSpec => ({
  name,
  type: "string",
  default: value,
  usage,
});

export const newMemberFlags: readonly FlagSpec[] = [
  string("data-dir", "folder to fill"),
  string("name", "name of the member", "default"),
  string(
    "initial-cluster",
    "members as name=peer-url, separated by commas",
    "default=http://localhost:2380",
  ),
  string("initial-cluster-token", "token of the cluster", "etcd-cluster"),
  string(
    "initial-advertise-peer-urls",
    "the member's peer URLs, separated by commas",
    "http://localhost:2380",
  ),
];

export function newMember({ flags }: Invocation): NewMember {
  const name = flags.string("name");
  return {
    dataDir: flags.string("data-dir") || `${name}.etcd`,
    name,
    initialCluster: flags.string("initial-cluster"),
    initialClusterToken: flags.string("initial-cluster-token"),
    peerUrls: flags.string("initial-advertise-peer-urls").split(","),
  };
}

/** Why a membership change is refused; the texts are etcd's (clients and tools match on them). */
export type MembershipErrorCode = keyof typeof texts;

const texts = {
  idRemoved: "membership: ID removed",
  idExists: "membership: ID exists",
  idNotFound: "membership: ID not found",
  peerUrlExists: "membership: peerURL exists",
  memberNotLearner: "membership: can only promote a learner member",
  tooManyLearners: "membership: too many learner members in cluster",
  notEnoughStartedMembers: "etcdserver: re-configuration failed due to not enough started members",
  unhealthy: "etcdserver: unhealthy cluster",
  learnerNotReady: "etcdserver: can only promote a learner member which is in sync with leader",
  notLeader: "etcdserver: not leader",
} as const;

/** A refusal as a value: `code` for programs, `text` exactly as etcd words it. */
export interface MembershipError {
  readonly code: MembershipErrorCode;
  readonly text: string;
}

export const membershipError = (code: MembershipErrorCode): MembershipError => ({
  code,
  text: texts[code],
});

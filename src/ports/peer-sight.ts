import type { ClusterId } from "../core/types.ts";

/** Who is at a peer URL; what fits no member's answer is told, too. */
export type PeerSight =
  /** A member of that cluster answered. */
  | { readonly kind: "member"; readonly clusterId: ClusterId }
  /** Somebody takes connections there, and does not answer as a member does: why. */
  | { readonly kind: "unclear"; readonly problem: string }
  /** No connection came about: why. */
  | { readonly kind: "absent"; readonly problem: string };

/** The ways in which a world's members are lost, and how they come back. */
import type { World } from "./world.ts";

/** A member's name, or who it is now: the leader, the learner. */
function named(world: World, who: string): string {
  if (who === "seed") return world.cluster.status?.transition?.seed ?? who;
  const wanted = world.peers.find((p) =>
    who === "leader" ? p.id === world.leader : who === "learner" && p.learner,
  );
  return wanted === undefined ? who : world.nameOf(wanted);
}

/** `how` with its arguments; throws for an unknown one. Members that have gone are passed over. */
export function harm(world: World, who: string, how: string, argument = ""): void {
  const member = named(world, who);
  const volume = world.volumes.get(member);
  const pod = world.pods.get(member);
  const stop = (): void => {
    if (pod) pod.running = false;
  };
  switch (how) {
    case "volume-deleted": // kubectl delete pvc, the pod goes on
      if (volume) volume.deleting = true;
      break;
    case "volume-gone": // and the pod, too
      world.volumes.delete(member);
      if (pod) pod.deleting = true;
      break;
    case "emptied":
      if (volume) delete volume.data;
      stop();
      break;
    case "ends-with":
      if (volume) volume.damage = Number(argument);
      stop();
      break;
    case "mended":
      if (volume) delete volume.damage;
      break;
    case "log": {
      const [lastLogTerm = 0, lastLogIndex = 0] = argument.split(" ").map(Number);
      if (volume) volume.log = { lastLogTerm, lastLogIndex };
      break;
    }
    case "out-of-reach": // neither its pod nor a Job can have it
      if (volume) volume.detachedFromNodes = true;
      break;
    case "node-off": // silent for this many seconds
      stop();
      if (pod) pod.unreachable = { since: "2025-12-31T23:00:00Z", ms: Number(argument) * 1000 };
      break;
    case "evicted": // by the node controller, or kubectl delete: the dead node cannot obey
      if (pod) pod.deleting = true;
      break;
    case "node-on":
      if (pod) delete pod.unreachable;
      break;
    default:
      throw new Error(`unknown harm ${how}`);
  }
  world.elect();
}

// Faults for a cluster of real processes, drawn from a seed.

import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../../src/ports/index.ts";
import type { Member } from "./member.ts";

/** Does one thing to the cluster and undoes it; says what it did. */
type Fault = (members: readonly Member[], random: Random) => Promise<string>;

const pick = (members: readonly Member[], random: Random): Member =>
  members[random.below(members.length)] as Member;

/** kill -9, back after a while. */
const kill: Fault = async (members, random) => {
  const victim = pick(members, random);
  const away = random.below(2500);
  await victim.stop("SIGKILL");
  await delay(away);
  victim.start();
  return `kill ${victim.name} for ${away} ms`;
};

/** Killed again right after it came back: while it replays its log. */
const killTwice: Fault = async (members, random) => {
  const victim = pick(members, random);
  await victim.stop("SIGKILL");
  victim.start();
  const between = random.below(1200);
  await delay(between);
  await victim.stop("SIGKILL");
  victim.start();
  return `kill ${victim.name} twice, ${between} ms apart`;
};

/** Everyone at once: what is acknowledged must be on a majority's disks. */
const killAll: Fault = async (members) => {
  await Promise.all(members.map((member) => member.stop("SIGKILL")));
  for (const member of members) member.start();
  return "kill all";
};

/** A majority at once. */
const killTwo: Fault = async (members, random) => {
  const spared = pick(members, random);
  const victims = members.filter((member) => member !== spared);
  await Promise.all(victims.map((member) => member.stop("SIGKILL")));
  await delay(random.below(1000));
  for (const member of victims) member.start();
  return `kill all but ${spared.name}`;
};

/** Stopped and continued: a leader that does not know that it was away. */
const pause: Fault = async (members, random) => {
  const victim = pick(members, random);
  const away = 200 + random.below(4000);
  victim.signal("SIGSTOP");
  await delay(away);
  victim.signal("SIGCONT");
  return `pause ${victim.name} for ${away} ms`;
};

/** An orderly restart: leadership is handed over. */
const restart: Fault = async (members, random) => {
  const victim = pick(members, random);
  await victim.stop("SIGTERM");
  victim.start();
  return `restart ${victim.name}`;
};

const faults: readonly Fault[] = [kill, kill, pause, pause, restart, killTwice, killTwo, killAll];

/** Faults one after the other until the time is up; everyone runs again at the end. */
export async function breakThings(
  members: readonly Member[],
  random: Random,
  durationMs: number,
): Promise<string[]> {
  const done: string[] = [];
  const end = Date.now() + durationMs;
  while (Date.now() < end) {
    await delay(500 + random.below(2500));
    const fault = faults[random.below(faults.length)] as Fault;
    done.push(await fault(members, random));
  }
  return done;
}

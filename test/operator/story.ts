/** Golden stories: commands and what the operator did, one text file each. */
import { readFileSync, writeFileSync } from "node:fs";
import { parse } from "yaml";
import { digestSecrets, type ObservedSecret } from "../../src/operator/observe/index.ts";
import { buildStatus, type Plan, plan, type Step } from "../../src/operator/plan/index.ts";
import { templateDigest } from "../../src/operator/resources/index.ts";
import type { EtcdClusterSpec, Transition } from "../../src/operator/types/index.ts";
import { harm } from "./losses.ts";
import { playRestore } from "./restores.ts";
import { Refused, World } from "./world.ts";

const defaults: EtcdClusterSpec = { replicas: 1, storage: { size: "1Gi" } };
export const defaultImage = "quoin:1.0.0";
/** When a world begins; time stands still until a story lets it pass. */
export const now = "2026-01-01T00:00:00Z";

/** One pass as the controller makes it; returns the plan and whether its step was refused. */
export function pass(world: World): { plan: Plan; refused?: string } {
  const observed = world.observe();
  const context = {
    defaultImage,
    defaultTls: world.defaultTls,
    now: world.now,
    fresh: {
      token: world.next("token"),
      member: `${observed.cluster.metadata.name}-${world.next("m")}`,
    },
  };
  const result = plan(observed, context);
  let refused: string | undefined;
  const isLatch = result.step?.kind === "latch";
  if (!isLatch) writeStatus(world, result, context);
  if (result.step !== undefined) {
    try {
      const version = isLatch ? observed.cluster.metadata.resourceVersion : undefined;
      world.act(result.step, version);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refused = error.message;
    }
  }
  return refused === undefined ? { plan: result } : { plan: result, refused };
}

function writeStatus(world: World, result: Plan, context: Parameters<typeof buildStatus>[1]): void {
  const input = { plan: result, now: world.now, freshFigures: false };
  const status = buildStatus(world.observe(), context, input);
  if (JSON.stringify(status) !== JSON.stringify(world.cluster.status)) world.setStatus(status);
}

export function stepText(step: Step): string {
  switch (step.kind) {
    case "latch":
      return `latch ${Object.entries(step.set)
        .map(([k, v]) => `${k}=${latchText(v)}`)
        .join(" ")}`;
    case "create":
      return `create ${step.object.kind} ${step.object.metadata.name}`;
    case "apply": {
      const spec = step.object.spec as { minAvailable?: number };
      const extra = spec.minAvailable === undefined ? "" : ` minAvailable=${spec.minAvailable}`;
      return `apply ${step.object.kind} ${step.object.metadata.name}${extra}`;
    }
    case "patchVolume": {
      const { kind, ...rest } = step.change;
      return `volume ${step.volume} ${kind} ${Object.values(rest).join(" ")}`.trimEnd();
    }
    case "delete":
      return `delete ${step.target} ${step.name}`;
    case "secret":
      return `secret ${step.change.secret} ${step.change.kind}`;
    case "moveLeader":
      return `moveLeader ${step.from} -> ${step.to}`;
    default:
      return `${step.kind} ${step.member}`;
  }
}

const isTransition = (value: unknown): value is Transition =>
  typeof value === "object" && value !== null && "phases" in value;

function latchText(value: unknown): string {
  if (isTransition(value)) return `${value.kind}/${value.phase}`;
  if (value === undefined) return "-";
  if (typeof value !== "object" || value === null) return String(value);
  if ("client" in value && "peer" in value) {
    const name = "peerHostname" in value ? `/${value.peerHostname}` : "";
    return `${value.client}/${value.peer}${name}`;
  }
  return "member" in value && "cause" in value ? `${value.member}(${value.cause})` : "{}";
}

/** Passes and turns until the operator has nothing left to do, or stops, or waits in vain. */
export function run(world: World, log: string[] = [], limit = 200): string[] {
  let idle = 0;
  let last = "";
  for (let i = 0; i < limit && idle < 4; i++) {
    const { plan: p, refused } = pass(world);
    if (p.step !== undefined) {
      const line = `  ${stepText(p.step)}${refused ? ` (refused: ${refused})` : ""}`;
      if (line !== last) log.push(line);
      last = line;
      idle = refused ? idle + 1 : 0;
    } else idle += 1;
    if (p.step === undefined || refused) world.turn();
  }
  return log;
}

function summary(world: World): string[] {
  const conditions = (world.cluster.status?.conditions ?? []).map(
    (c) => `${c.type}=${c.status}(${c.reason})`,
  );
  const degraded = world.cluster.status?.conditions?.find((c) => c.type === "Degraded");
  const members = (world.cluster.status?.members ?? []).map(
    (m) => `${m.name}${m.leader ? "*" : ""}${m.learner ? "~" : ""}${m.healthy ? "" : "!"}`,
  );
  return [
    `  = ${conditions.join(" ")}`,
    `  = members ${members.join(" ") || "none"}`,
    ...(degraded?.status === "True" ? [`  = ${degraded.message}`] : []),
    ...transitionText(world),
  ];
}

/** Secrets of others, time that passes for certificates, and what there is. */
function playCertificates(world: World, command: string, argument: string): string[] {
  if (command === "give") {
    const [name = "", ...hosts] = argument.split(" ");
    world.putSecret(world.issuer.issue(name, ["localhost", ...hosts], world.nowMs));
  } else if (command === "drop-secret") world.secrets.delete(argument);
  else if (command === "days") world.nowMs += Number(argument) * 86_400_000;
  else {
    const facts = digestSecrets(world.cluster, [...world.secrets.values()]);
    return [...facts.values()]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((s) => `  = ${s.name} ${certificateText(s, world.nowMs)}`);
  }
  return [];
}

function certificateText(s: ObservedSecret, nowMs: number): string {
  const days = Math.round(((s.certificate?.notAfterMs ?? nowMs) - nowMs) / 86_400_000);
  return `${s.certificate?.commonName ?? "-"} ${days}d, trusts ${s.trustedCount}`;
}

function transitionText(world: World): string[] {
  const { transition } = world.cluster.status ?? {};
  if (transition === undefined) return [];
  return [`  = ${transition.kind.toLowerCase()} ${transition.phase}: ${transition.message}`];
}

/** Runs the commands of a story and returns the whole file as it should stand. */
export function playStory(text: string): string {
  const out: string[] = [];
  let world = new World("a", defaults);
  for (const line of text.split("\n")) {
    if (line.startsWith("  ")) continue;
    out.push(line);
    const [command = "", ...rest] = line.split(" ");
    const argument = rest.join(" ");
    if (command === "" || command.startsWith("#")) continue;
    const spec = () => parse(argument) as EtcdClusterSpec;
    switch (command) {
      case "create":
        world = new World("a", { ...defaults, ...spec() }, world.badDigests);
        break;
      case "edit":
        world.edit(spec() as Partial<EtcdClusterSpec>);
        break;
      case "run":
        out.push(...run(world), ...summary(world));
        break;
      case "steps":
        out.push(...run(world, [], Number(argument)));
        break;
      case "recreate": {
        const old = world;
        world = new World("a", { ...old.cluster.spec, ...(argument ? spec() : {}) });
        for (const [k, v] of old.volumes) world.volumes.set(k, v);
        world.peers = old.peers;
        world.next("x");
        break;
      }
      case "kill":
        for (const name of rest) {
          const pod = world.pods.get(name);
          if (pod) pod.deleting = true;
        }
        break;
      case "harm": {
        const [member = "", how = "", ...more] = rest;
        harm(world, member, how, more.join(" "));
        break;
      }
      case "give":
      case "drop-secret":
      case "days":
      case "certificates":
        out.push(...playCertificates(world, command, argument));
        break;
      case "drop-set":
        world.sets.delete(argument);
        break;
      case "bad-image":
        world.badDigests.add(digestOf(world, argument));
        break;
      case "foreign-service": {
        const metadata = { name: argument, namespace: "ns", uid: "other" };
        world.services.set(argument, { apiVersion: "v1", kind: "Service", metadata });
        break;
      }
      case "consent": {
        const incident = world.cluster.status?.incident?.id ?? "";
        world.edit({ quorumRecovery: { ...(argument ? spec() : {}), incident } });
        break;
      }
      case "restore":
      case "restores":
      case "backup":
      case "odd":
      case "even":
      case "volumes":
      case "lose-everything":
        out.push(...playRestore(world, command, rest));
        break;
      case "wait":
        world.nowMs += Number(argument) * 1000;
        break;
      case "unhashed":
        world.unhashed = true;
        break;
      case "freeze":
        world.frozen = true;
        break;
      case "thaw":
        world.frozen = false;
        break;
      default:
        throw new Error(`unknown command ${command}`);
    }
  }
  return out.join("\n");
}

/** The digest an edit would give, so that its pods fail. */
function digestOf(world: World, edit: string): string {
  const probe = new World("a", { ...world.cluster.spec, ...(parse(edit) as object) });
  const { status } = world.cluster;
  if (status) probe.setStatus(status);
  return templateDigest(probe.cluster, defaultImage);
}

/** Compares a story file with its replay, or rewrites it with --rewrite. */
export function checkStory(path: string): { actual: string; expected: string } {
  const expected = readFileSync(path, "utf8");
  const actual = playStory(expected);
  if (process.argv.includes("--rewrite") || process.env["REWRITE"]) writeFileSync(path, actual);
  return { actual, expected: process.env["REWRITE"] ? actual : expected };
}

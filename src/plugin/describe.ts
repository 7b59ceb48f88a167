/** All about one cluster, as text for a person. */
import type {
  Condition,
  EtcdBackup,
  EtcdBackupSchedule,
  EtcdCluster,
  EtcdRestore,
  Incident,
  PhaseTime,
} from "../operator/types/index.ts";
import { age, ago, indent, size, table } from "./table.ts";
import { type ClusterView, lastVerified } from "./view.ts";

const backupsShown = 5;
const restoresShown = 3;

/** Sections with an empty line between them; what there is nothing of is left out. */
export function describeCluster(view: ClusterView, nowMs: number): string {
  const { cluster } = view;
  const sections = [
    summary(cluster, nowMs),
    members(cluster),
    transition(cluster, nowMs),
    incident(cluster, nowMs),
    schedules(view.schedules, nowMs),
    backups(view, nowMs),
    restores(view.restores, nowMs),
  ];
  return sections.filter((section) => section !== "").join("\n");
}

function summary({ metadata, spec, status }: EtcdCluster, nowMs: number): string {
  const facts = [
    `${status?.readyReplicas ?? 0} of ${spec.replicas} members ready`,
    ...(status?.version === undefined ? [] : [`version ${status.version}`]),
    ...(status?.clusterID === undefined ? [] : [`id ${status.clusterID}`]),
  ];
  const title = `EtcdCluster ${metadata.namespace}/${metadata.name}: ${facts.join(", ")}\n`;
  if (status?.observedGeneration !== metadata.generation) {
    const unseen = "the operator has not seen the present spec yet; is it running?";
    return `${title}  ${unseen}\n${conditions(status?.conditions ?? [], nowMs)}`;
  }
  return title + tls(metadata.name, status) + conditions(status?.conditions ?? [], nowMs);
}

/** Nothing about a cluster without TLS. */
function tls(name: string, status: EtcdCluster["status"]): string {
  if (status?.tls === undefined) return "";
  const { client, peer } = status.tls;
  const secret = client === "Disabled" ? "" : `; Secret ${name}-client is for clients`;
  return `  ${"TLS".padEnd(12)} clients ${client}, peers ${peer}${secret}\n`;
}

/** Where the repository says what to do about a reason. */
const pageOf = (reason: string): string =>
  `docs/runbooks/${reason.replace(/([a-z])([A-Z])/g, "$1-$2").toLowerCase()}.md`;

function conditions(all: readonly Condition[], nowMs: number): string {
  const problem = all.find(({ type, status }) => type === "Degraded" && status === "True");
  const page = problem === undefined ? "" : `  what to do   ${pageOf(problem.reason)}\n`;
  const lines = all.map(({ type, status, reason, message, lastTransitionTime }) => {
    const since = `${status} ${reason}, for ${age(lastTransitionTime, nowMs)}`;
    return `  ${type.padEnd(12)} ${since}${message === "" ? "" : `: ${message}`}\n`;
  });
  return lines.join("") + page;
}

function members({ status }: EtcdCluster): string {
  const all = status?.members ?? [];
  if (all.length === 0) return "";
  const rows = all.map((member) => [
    member.name,
    member.id,
    member.leader ? "leader" : member.learner ? "learner" : "voter",
    member.healthy ? "yes" : "NO",
    // Before the operator has looked for the second time, a new member's are not known.
    member.raftTerm || "-",
    member.raftIndex || "-",
    size(member.dbSizeBytes),
    member.version,
  ]);
  return table(["MEMBER", "ID", "ROLE", "HEALTHY", "TERM", "INDEX", "DB SIZE", "VERSION"], rows);
}

/** Another life of the cluster in the making; one that is over is told by its EtcdRestore. */
function transition({ status }: EtcdCluster, nowMs: number): string {
  const now = status?.transition;
  if (now === undefined || now.phase === "Completed" || now.phase === "Failed") return "";
  const head = `${now.kind.toUpperCase()} IN PROGRESS, ${now.phase}: ${now.message ?? ""}\n`;
  return head + indent(phases(now.phases, nowMs));
}

function phases(all: readonly PhaseTime[], nowMs: number): string {
  return all
    .map(({ phase, startTime, completionTime, message = "" }) => {
      const endMs = completionTime === undefined ? nowMs : Date.parse(completionTime);
      const took = ago((endMs - Date.parse(startTime)) / 1000);
      const time = completionTime === undefined ? `for ${took} now` : `took ${took}`;
      return `${phase.padEnd(12)} ${time}${message === "" ? "" : `: ${message}`}\n`;
    })
    .join("");
}

function incident({ metadata, spec, status }: EtcdCluster, nowMs: number): string {
  const now = status?.incident;
  if (now === undefined) return "";
  const rows = now.members.map((member) => [
    member.name,
    member.state,
    member.lastLogIndex === undefined
      ? undefined
      : `${member.lastLogTerm ?? "?"}/${member.lastLogIndex}`,
    member.revision,
    member.name === now.survivor ? "the one recovery would keep" : member.message,
  ]);
  const head = `INCIDENT ${now.id}, for ${age(now.since, nowMs)}: ${now.message}\n`;
  const list = table(["MEMBER", "STATE", "LOG TERM/INDEX", "REVISION", ""], rows);
  const consent = consentOf(metadata.namespace ?? "", metadata.name, now, spec.quorumRecovery);
  return `${head}${indent(list)}${consent}`;
}

/** What a person types to let the operator go on with the survivor alone. */
function consentOf(
  namespace: string,
  name: string,
  now: Incident,
  given: EtcdCluster["spec"]["quorumRecovery"],
): string {
  if (given?.incident === now.id) return "  The consent to this incident is given.\n";
  if (now.survivor === undefined) return "";
  const patch = JSON.stringify({ spec: { quorumRecovery: { incident: now.id } } });
  return [
    "  First try to bring back what is Stopped or Unreachable: then nothing is lost. If that cannot be,",
    "  this goes on with the survivor alone; what only the others held is given up for good:",
    "",
    `    kubectl -n ${namespace} patch etcdcluster ${name} --type=merge -p '${patch}'`,
    "",
  ].join("\n");
}

function schedules(all: readonly EtcdBackupSchedule[], nowMs: number): string {
  if (all.length === 0) return "";
  const rows = all.map(({ metadata, spec, status }) => {
    const ready = status?.conditions?.find(({ type }) => type === "BackupReady");
    return [
      metadata.name,
      spec.schedule,
      spec.suspend ? "suspended" : age(status?.lastScheduleTime, nowMs),
      age(status?.lastVerifiedTime, nowMs),
      spec.rpoSeconds === undefined ? undefined : ago(spec.rpoSeconds),
      ready === undefined ? undefined : `${ready.status} ${ready.reason}`,
    ];
  });
  const list = table(["SCHEDULE", "CRON", "LAST RUN", "LAST VERIFIED", "RPO", "READY"], rows);
  const problems = all.flatMap(({ metadata, status }) => {
    const ready = status?.conditions?.find((it) => it.status === "False");
    return ready === undefined
      ? []
      : [`  ${metadata.name}: ${ready.message} (${pageOf(ready.reason)})\n`];
  });
  return list + problems.join("");
}

function backups(view: ClusterView, nowMs: number): string {
  if (view.backups.length === 0) {
    if (view.schedules.length > 0) return "";
    return "No backups and no schedule: kubectl quoin backup --help\n";
  }
  const rows = view.backups.slice(0, backupsShown).map(backupRow(nowMs));
  const last = age(lastVerified(view.backups, view.schedules), nowMs);
  const proof =
    last === undefined ? "none of them is verified" : `the newest verified is ${last} old`;
  const more = view.backups.length - rows.length;
  const rest = more > 0 ? `  and ${more} older` : "";
  const head = ["BACKUP", "PHASE", "AGE", "VERIFIED", "REVISION", "SIZE", ""];
  return `${table(head, rows)}  ${proof}${rest}\n`;
}

const backupRow =
  (nowMs: number) =>
  ({ metadata, status }: EtcdBackup) => [
    metadata.name,
    status?.phase ?? "Pending",
    age(metadata.creationTimestamp, nowMs),
    status?.verified?.kind,
    status?.artifact?.revision,
    size(status?.artifact?.sizeBytes),
    status?.artifact?.uri ?? status?.reason ?? "",
  ];

function restores(all: readonly EtcdRestore[], nowMs: number): string {
  if (all.length === 0) return "";
  const rows = all
    .slice(0, restoresShown)
    .map(({ metadata, spec, status }) => [
      metadata.name,
      spec.mode,
      status?.phase ?? "Pending",
      age(metadata.creationTimestamp, nowMs),
      status?.message,
    ]);
  return table(["RESTORE", "MODE", "PHASE", "AGE", ""], rows);
}

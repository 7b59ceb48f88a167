/** The last word of a Job, which Kubernetes keeps 4096 bytes of. */
import { BackupError, type BackupErrorCode, type JobReport } from "./types.ts";

/** Kubernetes cuts a termination message there. */
export const reportBytesMax = 4096;

const codes: ReadonlySet<string> = new Set<BackupErrorCode>([
  "InvalidConfig",
  "ClusterUnreachable",
  "SnapshotFailed",
  "AccessDenied",
  "BucketMissing",
  "DestinationFull",
  "DestinationUnreachable",
  "DestinationFailed",
  "AlreadyExists",
  "ArtifactMissing",
  "HashMismatch",
  "InvalidSnapshot",
  "NotEnoughSpace",
  "DrillFailed",
  "Interrupted",
]);

/** Whether a reason in a report is one of ours. */
export const isBackupErrorCode = (reason: string): reason is BackupErrorCode => codes.has(reason);

/** As JSON within `reportBytesMax`; a long message is cut, what else there is stays whole. */
export function encodeReport(report: JobReport): string {
  const whole = JSON.stringify(report);
  const over = Buffer.byteLength(whole) - reportBytesMax;
  if (over <= 0) return whole;
  const bytes = Buffer.from(JSON.stringify(report.message).slice(1, -1));
  const kept = bytes.subarray(0, Math.max(0, bytes.byteLength - over - "...".length));
  return JSON.stringify({ ...report, message: wholeText(kept.toString("utf8")) });
}

/** Without an escape or character that was cut in two. */
function wholeText(cut: string): string {
  for (let end = cut.length; end > 0; end--) {
    try {
      return `${(JSON.parse(`"${cut.slice(0, end)}"`) as string).replace(/\uFFFD+$/, "")}...`;
    } catch {
      // One character less.
    }
  }
  return "...";
}

/**
 * A Job's report as its termination message has it; undefined when the text is none: the Job
 * was killed before it could speak, or another program's words stand there.
 */
export function parseJobReport(text: string): JobReport | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const report = value as Partial<JobReport>;
  const known = report.outcome === "Succeeded" || report.outcome === "Failed";
  if (!known || typeof report.message !== "string" || typeof report.seconds !== "object") {
    return undefined;
  }
  return report as JobReport;
}

/** What a failure says in the report. */
export function failureReport(error: unknown, seconds: JobReport["seconds"]): JobReport {
  if (error instanceof BackupError) {
    return { outcome: "Failed", reason: error.code, message: error.message, seconds };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { outcome: "Failed", reason: "Unexpected", message, seconds };
}

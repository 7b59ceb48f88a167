import { execFileSync } from "node:child_process";
import type { Outcome } from "./l1/run.ts";

/** What somebody needs who has to find out why a seed failed. */
export function failureReport(o: Outcome, extraArguments = ""): string {
  const level = "deeds" in o ? "--level 2 " : "";
  return [
    `seed ${o.seed} failed at commit ${commit()}, ${o.virtualMs} ms of virtual time, ${o.events} events`,
    `  ${o.error}`,
    "",
    ...o.members,
    "",
    `the last ${o.history.length} events:`,
    ...o.history,
    "",
    `replay: npm run sim -- ${level}--seed ${o.seed} --until ${o.virtualMs + 1}${extraArguments}`,
  ].join("\n");
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown";
  }
}

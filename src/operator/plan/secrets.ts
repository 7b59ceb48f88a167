/** What the stages about certificates share: the Secrets that were seen, and the step that changes one. */
import type { ObservedSecret } from "../observe/index.ts";
import { type Facts, stepPlan } from "./facts.ts";
import type { Plan, SecretChange } from "./types.ts";

/** Of condition Progressing, while certificates are made. */
export const reason = "Certificates";

export const nowMs = (f: Facts): number => Date.parse(f.context.now);
export const secretOf = (f: Facts, name: string): ObservedSecret | undefined =>
  f.observed.tls?.secrets.get(name);

/** Makes the Secret, or changes the one that was seen. */
export function change(
  secret: SecretChange,
  live: ObservedSecret | undefined,
  message: string,
): Plan {
  const on = live && { uid: live.uid, resourceVersion: live.resourceVersion };
  return stepPlan({ kind: "secret", change: secret, ...on }, reason, message);
}

/** Why this Secret cannot be used as it is; undefined when it can. */
export function faultOf(f: Facts, name: string): string | undefined {
  const live = secretOf(f, name);
  if (live === undefined) return `Secret ${name} does not exist`;
  if (live.certificate === undefined) {
    return `Secret ${name} needs tls.crt and tls.key that can be read and belong together`;
  }
  if (live.trusted === "") return `Secret ${name} needs ca.crt, the authorities to trust`;
  const until = new Date(live.certificate.notAfterMs).toISOString();
  if (live.certificate.notAfterMs <= nowMs(f))
    return `Secret ${name}: its certificate ended ${until}`;
  return undefined;
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { createClock, createLogger, createRandom } from "../../src/io/index.ts";
import { runOperator } from "../../src/operator/index.ts";
import { resources } from "../../src/operator/runtime/index.ts";
import type { KubeObject } from "../../src/operator/types/index.ts";
import { until } from "../until.ts";
import { admin, operatorToken, scopedToken } from "./api-server.ts";
import { api, server, skip, startOperator } from "./environment.ts";

/** `quoin operator --check` with the operator's own account, as helm test runs it. */
async function check(token: string, isHasty: boolean, ...flags: string[]) {
  let text = "";
  let now = 0;
  const clock = createClock();
  const hasty = { ...clock, nowMs: () => (now += 61_000) };
  const argv = ["--check", `--kubeconfig=${server.kubeconfig(token)}`, ...flags];
  const code = await runOperator(
    argv,
    {},
    {
      clock: isHasty ? hasty : clock,
      random: createRandom(),
      createLogger: () => createLogger({ level: "error" }),
      stdout: (more) => {
        text += more;
      },
      stderr: (more) => {
        text += more;
      },
      signal: new AbortController().signal,
    },
  );
  return { code, text };
}

export function registerCheckTests(): void {
  test("operator --check fails with what is wrong, and passes once an operator leads", {
    skip,
  }, async () => {
    const alone = await check(operatorToken, true, "--leader-election-name=nobody");
    assert.equal(alone.code, 1);
    assert.match(alone.text, /^ok +etcdclusters in all namespaces can be read \(\d+ there\)$/m);
    assert.match(alone.text, /^FAILED +.*"nobody" is forbidden/m);
    const stranger = await check(scopedToken, true, "--watch-namespaces=default");
    assert.match(stranger.text, /^FAILED +etcdbackups.quoin.dev is forbidden.*"default"$/m);

    // As it stands in a Lease for a while after it died: renewed a moment ago.
    const { apiVersion, kind } = resources.leases;
    const renewTime = new Date().toISOString().replace("Z", "000Z");
    await api.create<KubeObject>(resources.leases, {
      ...{ apiVersion, kind, metadata: { name: "gone", namespace: "quoin-system" } },
      spec: { holderIdentity: "dead_1", leaseDurationSeconds: 15, renewTime },
    });
    const dead = await check(admin, true, "--leader-election-name=gone");
    assert.equal(dead.code, 1);
    assert.match(dead.text, /^FAILED +.*\/gone: dead_1 has not renewed it since/m);

    await using operator = startOperator();
    await until("a leader", () => operator.log.some((line) => line.includes("became leader")));
    const well = await check(operatorToken, false);
    assert.equal(well.code, 0, well.text);
    assert.match(well.text, /^ok +operator_\S+ leads \(Lease quoin-system\/quoin-operator\)$/m);
    assert.doesNotMatch(well.text, /FAILED/);
  });
}

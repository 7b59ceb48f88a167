import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions } from "../../src/operator/options.ts";

test("parseOptions() has defaults, takes flags and the pod's variables", () => {
  const options = parseOptions(["--leader-elect", "--watch-namespaces=a,b"], {
    POD_NAMESPACE: "ops",
    POD_NAME: "p-1",
  });
  assert.ok(options !== "help");
  const { identity, ...rest } = options;
  assert.match(identity, /^p-1_/);
  assert.deepEqual(rest, {
    watchNamespaces: ["a", "b"],
    leaderElect: true,
    leaderElectionNamespace: "ops",
    leaderElectionName: "quoin-operator",
    metricsBindAddress: ":8080",
    healthProbeBindAddress: ":8081",
    kubeconfig: "",
    serverImage: "quoin:dev",
    defaultTls: "Operator",
    logLevel: "info",
    workers: 4,
    check: false,
  });
});

test("parseOptions() names a bad flag and knows help", () => {
  assert.equal(parseOptions(["--help"], {}), "help");
  assert.throws(() => parseOptions(["--nonsense"], {}), /--nonsense/);
  assert.throws(() => parseOptions(["--leader-elect=maybe"], {}), /--leader-elect/);
  assert.throws(() => parseOptions(["--workers=0"], {}), /--workers/);
});

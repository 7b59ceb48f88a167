import assert from "node:assert/strict";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { createMetrics } from "../../src/operator/runtime/index.ts";
import { checkRules, helm, render, root, run, skip, template } from "./helm.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");

const everything = {
  image: {
    repository: "example.com/quoin",
    digest: `sha256:${"0".repeat(64)}`,
    pullSecrets: ["p"],
  },
  podLabels: { team: "storage" },
  podAnnotations: { note: "x" },
  nodeSelector: { disk: "ssd" },
  tolerations: [{ operator: "Exists" }],
  affinity: { nodeAffinity: {} },
  priorityClassName: "high",
  serviceAccount: { annotations: { role: "x" } },
  metrics: {
    service: { labels: { a: "b" }, annotations: { c: "d" } },
    serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
    podMonitor: { enabled: true },
    prometheusRule: { enabled: true, runbookBaseUrl: "https://example.com/runbooks/" },
  },
};

for (const chart of ["quoin", "etcd-cluster"]) {
  test(`helm lint finds nothing in ${chart}`, { skip }, async () => {
    const { code, text, errors } = await helm("lint", "--strict", `charts/${chart}`);
    assert.equal(code, 0, text + errors);
    assert.doesNotMatch(text, /\[(WARNING|ERROR)\]/);
  });

  test(`${chart} has the version of the program`, () => {
    const { version } = JSON.parse(read("package.json"));
    const meta = parse(read(`charts/${chart}/Chart.yaml`));
    assert.deepEqual([meta.version, meta.appVersion], [version, version]);
  });
}

test("manifests/install.yaml is what the chart renders to", { skip }, async () => {
  const { code, text, errors } = await run("bash", "manifests/build.sh", "--check");
  assert.equal(code, 0, text + errors);
});

test("a package of the chart holds what the checkout has", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-charts-"));
  try {
    await helm("package", "charts/quoin", "--destination", folder);
    const { code, text } = await helm(
      "template",
      "r",
      join(folder, "quoin-0.1.0.tgz"),
      "-n",
      "ops",
    );
    assert.equal(code, 0);
    assert.equal(text, (await template("quoin", {})).text);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("rbac.tls false takes the rights to Secrets away, and wants a default without TLS", {
  skip,
}, async () => {
  const rules = (objects: Awaited<ReturnType<typeof render>>): string[] => {
    const role = objects.get("ClusterRole r-quoin-operator") as object | undefined;
    const { rules: all = [] } = (role ?? {}) as { rules?: { resources: string[] }[] };
    return all.flatMap(({ resources }) => resources);
  };
  const all = rules(await render("quoin", {}));
  const without = rules(await render("quoin", { defaultTls: "Disabled", rbac: { tls: false } }));
  const gone = all.filter((resource) => !without.includes(resource));
  assert.deepEqual(gone, ["secrets", "certificates"]);
  const refused = await template("quoin", { defaultTls: "Operator", rbac: { tls: false } });
  assert.notEqual(refused.code, 0);
  assert.match(refused.errors, /set defaultTls to Disabled/);
});

test("quoin renders with every value set", { skip }, async () => {
  const objects = await render("quoin", everything);
  const pod = objects.get("Deployment r-quoin-operator")?.spec.template.spec;
  const image = `example.com/quoin:0.1.0@sha256:${"0".repeat(64)}`;
  assert.equal(pod.containers[0].image, image);
  assert.ok(pod.containers[0].args.includes(`--server-image=${image}`));
  assert.deepEqual(pod.tolerations, everything.tolerations);
  assert.deepEqual(pod.imagePullSecrets, [{ name: "p" }]);
  for (const kind of ["ServiceMonitor r-quoin-operator", "PodMonitor r-quoin-operator-members"]) {
    assert.ok(objects.has(kind), kind);
  }
});

test("the operator's pods and the check meet the restricted standard", { skip }, async () => {
  const objects = await render("quoin");
  const pods = [
    objects.get("Deployment r-quoin-operator")?.spec.template.spec,
    objects.get("Pod r-quoin-operator-check")?.spec,
  ];
  for (const pod of pods) {
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.deepEqual(pod.securityContext.seccompProfile, { type: "RuntimeDefault" });
    assert.deepEqual(pod.containers[0].securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  }
});

test("with a list of namespaces the operator has rights in these alone", { skip }, async () => {
  const objects = await render("quoin", { watchNamespaces: ["a", "b"] });
  const all = await render("quoin");
  const rules = all.get("ClusterRole r-quoin-operator")?.rules;
  assert.ok(rules);
  assert.deepEqual(objects.get("Role a/r-quoin-operator")?.rules, rules);
  assert.deepEqual(objects.get("Role b/r-quoin-operator")?.rules, rules);
  assert.ok(objects.has("RoleBinding b/r-quoin-operator"));
  assert.ok(!objects.has("ClusterRole r-quoin-operator"));
  assert.ok(!objects.has("ClusterRoleBinding r-quoin-operator"));
  const pod = objects.get("Deployment r-quoin-operator")?.spec.template.spec;
  assert.ok(pod.containers[0].args.includes("--watch-namespaces=a,b"));
});

test("a user without rights on the whole cluster can install it", { skip }, async () => {
  const rbac = { userRoles: false };
  const objects = await render("quoin", { watchNamespaces: ["a"], crds: { install: false }, rbac });
  const global = [...objects.keys()].filter((key) => /^(Cluster|CustomResource)/.test(key));
  assert.deepEqual(global, []);
});

test("one replica has no budget that would block a drain", { skip }, async () => {
  assert.ok((await render("quoin")).has("PodDisruptionBudget r-quoin-operator"));
  const alone = await render("quoin", { replicas: 1 });
  assert.ok(!alone.has("PodDisruptionBudget r-quoin-operator"));
});

const refusals: [chart: string, what: string, values: object, message: RegExp][] = [
  ["quoin", "an unknown value", { replica: 3 }, /'replica' not allowed/],
  ["quoin", "an unknown value inside", { metrics: { servicemonitor: {} } }, /'servicemonitor'/],
  ["quoin", "a tag in the repository", { image: { repository: "quoin:dev" } }, /repository/],
  ["quoin", "a namespace that cannot be", { watchNamespaces: ["A b"] }, /watchNamespaces/],
  ["quoin", "text for a number", { replicas: "two" }, /replicas/],
  ["quoin", "no account", { serviceAccount: { create: false } }, /set serviceAccount.name/],
  ["etcd-cluster", "a misspelt field", { spec: { replica: 3 } }, /'replica' not allowed/],
  ["etcd-cluster", "no storage size", { spec: { storage: { size: null } } }, /size/],
  ["etcd-cluster", "a misspelt schedule", { schedules: { n: { shedule: "x" } } }, /schedule/],
];
for (const [chart, what, values, message] of refusals) {
  test(`${chart} refuses ${what}`, { skip }, async () => {
    const { code, errors } = await template(chart, values);
    assert.notEqual(code, 0);
    assert.match(errors, message);
  });
}

test("etcd-cluster renders the cluster and its schedules as they are given", { skip }, async () => {
  const spec = { replicas: 5, storage: { size: "20Gi" }, etcdOptions: { quotaBackendBytes: 8e9 } };
  const nightly = { schedule: "0 3 * * *", destination: { s3: { bucket: "backups" } } };
  const objects = await render("etcd-cluster", { name: "orders", spec, schedules: { nightly } });
  assert.deepEqual(objects.get("EtcdCluster orders")?.spec, spec);
  assert.deepEqual(objects.get("EtcdBackupSchedule orders-nightly")?.spec, {
    clusterRef: { name: "orders" },
    ...nightly,
  });
});

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<string, string>>;
}

async function ruleGroups(): Promise<readonly { readonly rules: Rule[] }[]> {
  const objects = await render("quoin", everything);
  return objects.get("PrometheusRule r-quoin-operator")?.spec.groups;
}

const alerts = async (): Promise<Rule[]> => (await ruleGroups()).flatMap(({ rules }) => rules);

test("Prometheus takes the alert rules, and would not take broken ones", { skip }, async () => {
  const [first, ...others] = await ruleGroups();
  const { code, text, errors } = await checkRules([first, ...others]);
  assert.equal(code, 0, text + errors);
  const broken = { ...first, rules: first?.rules.map((rule) => ({ ...rule, expr: "max by (a" })) };
  assert.match((await checkRules([broken])).text, /parse error/);
});

test("every alert has a page that says what to do", { skip }, async () => {
  for (const { alert, labels, annotations } of await alerts()) {
    const { runbook_url: url = "", summary, description } = annotations;
    assert.ok(summary && description && labels.severity, alert);
    assert.ok(url.startsWith("https://example.com/runbooks/"), alert);
    if (url.includes("{{")) continue; // the condition's reason: below
    const page = read(`docs/runbooks/${url.split("/").pop()}`);
    assert.match(page, /^# .*/, alert);
  }
});

test("every reason of condition Degraded has a page of its name", () => {
  const sources = globSync("src/operator/plan/*.ts", { cwd: root }).map(read).join("\n");
  const problem = /(?:stopPlan\(|problem: \{\s*reason:|Problem =>? ?\(?\{\s*reason:)\s*"(\w+)"/g;
  const reasons = new Set([...sources.matchAll(problem)].map((match) => match[1] ?? ""));
  assert.ok(reasons.size > 8, [...reasons].join(" "));
  for (const reason of [...reasons, "QuorumLost", "QuorumAtRisk", "MemberLost", "StepFailed"]) {
    // As the alert's annotation has it.
    const page = `${reason.replace(/([a-z])([A-Z])/g, "$1-$2").toLowerCase()}.md`;
    assert.ok(existsSync(join(root, "docs/runbooks", page)), `write docs/runbooks/${page}`);
  }
});

test("alerts ask for figures that there are", { skip }, async () => {
  const { registry } = createMetrics(
    () => 0,
    () => new Map(),
    () => 0,
  );
  const known = new Set(registry.getMetricsAsArray().map(({ name }) => name));
  // Where members' figures are; metric-names.ts has those, too, that nothing fills.
  const ofMembers = globSync("src/api/admin/*metrics.ts", { cwd: root }).map(read).join("");
  for (const { alert, expr } of await alerts()) {
    for (const [name] of expr.matchAll(/\b(quoin|etcd)_\w+/g)) {
      const base = name.replace(/_bucket$/, "");
      assert.ok(known.has(name) || ofMembers.includes(`"${base}"`), `${alert}: ${name}`);
    }
  }
});

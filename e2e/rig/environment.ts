// What the run gives its tests (test/run/cluster.ts): a Kubernetes that is up, an image that its
// nodes hold, and in PATH kubectl and the real etcdctl.
//
// To run one file by hand, on a Kubernetes that stays up between runs:
//
//   export RUN=mine NODES=3
//   image=$(bash e2e/cluster/images.sh build)
//   export IMAGES=$(head -1 <<<"$image") QUOIN_IMAGE=$(tail -1 <<<"$image")
//   export KUBECONFIG=$(bash e2e/cluster/up.sh)
//   export PATH=$(bash e2e/tools/build.sh k8s etcd helm | paste -sd:):$PATH
//   node_modules/.bin/node --test e2e/apply.e2e.ts
//   bash e2e/cluster/down.sh
//
// Every cluster that does not say otherwise has TLS; with E2E_TLS=Disabled none of these has.

import { KubeConfig } from "@kubernetes/client-node";
import { KubeApi } from "../../src/operator/runtime/index.ts";
import { execute } from "./commands.ts";

function given(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(
    `set ${name}: run these tests by \`npm test e2e\`, or see e2e/rig/environment.ts`,
  );
}

/** Reference of the image under test, as pods name it. */
export const image = given("QUOIN_IMAGE");
/** The id of the test cluster. */
export const run = given("RUN");

const config = new KubeConfig();
config.loadFromFile(given("KUBECONFIG"));
/** The API as its administrator; for looking. What a user does, the tests do with kubectl. */
export const api = new KubeApi(config);

/** kubectl; `input` for `-f -`. */
export const kubectl = (args: readonly string[], input?: string): Promise<string> =>
  execute(["kubectl", ...args], input);

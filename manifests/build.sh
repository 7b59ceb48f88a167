#!/usr/bin/env bash
# Writes manifests/install.yaml, for `kubectl apply --server-side -f`: what charts/quoin renders to for a
# release called quoin in namespace quoin-system, and that namespace. Run it after a change of
# crds/ or charts/quoin. (It runs `npm run generate` too.) With --check it writes nothing and fails when install.yaml is out of date.
#
# Uses the Helm of e2e/tools (or $HELM), which needs Go the first time.
set -euo pipefail
cd "$(dirname "$0")/.."
helm=${HELM:-$(bash e2e/tools/build.sh helm)/helm}

render() {
  cat manifests/namespace.yaml
  # A chart's labels for what no chart installs would only mislead.
  "$helm" template quoin charts/quoin --namespace quoin-system --values manifests/values.yaml \
    --skip-tests |
    sed -e '/^ *helm.sh\/chart:/d' -e '/^ *app.kubernetes.io\/managed-by: Helm$/d'
}

if [ "${1:-}" = --check ]; then
  diff -u --label manifests/install.yaml --label "what the chart renders" manifests/install.yaml <(render) || {
    echo "manifests/install.yaml is out of date: run bash manifests/build.sh" >&2
    exit 1
  }
else
  node_modules/.bin/node test/docs/cli.ts >&2 # what else is made from crds/
  render >manifests/install.yaml.part
  mv manifests/install.yaml.part manifests/install.yaml
fi

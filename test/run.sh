#!/usr/bin/env bash
# run.sh [STAGE...]: what `npm test` does. Installs the dependencies when they are missing, then
# runs the stages (all, or those named): static unit sim compat process suite charts kube e2e.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

install_dependencies() {
  echo "installing npm packages" >&2
  npm ci --no-fund --no-audit >&2
}
# npm keeps a copy of the lock file in node_modules; older than ours means out of date.
if [ ! -x node_modules/.bin/node ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  install_dependencies
fi
# The storage engine's library, which a bare Debian lacks.
if ! ldconfig -p 2>/dev/null | grep -q 'libatomic\.so\.1' && [ "$(id -u)" = 0 ]; then
  bash e2e/cluster/prepare.sh libatomic1
fi
exec node_modules/.bin/node test/run/main.ts "$@"

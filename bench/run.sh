#!/usr/bin/env bash
# run.sh [--quick] [--only REGEXP] [--rounds N] [--seconds N] [--subject etcd|quoin|COMMAND] [--docs]:
# real etcd and ours in turn, as one member and as three, on this machine; --docs writes
# docs/performance.md; a round that would pass --minutes (18) is left out. Builds what it needs; results in .out/bench/.
# run.sh backup [--quick] [--gb N] [--docs]: the same for snapshots (bench/backup.ts); without
# arguments both are run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -x node_modules/.bin/node ] || npm ci --no-fund --no-audit >&2
node=node_modules/.bin/node
if [ "${1:-}" = backup ]; then
  shift
  exec $node bench/backup.ts "$@"
fi
$node bench/run.ts "$@"
if [ $# = 0 ]; then $node bench/backup.ts; fi

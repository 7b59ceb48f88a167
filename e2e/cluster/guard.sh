#!/usr/bin/env bash
# guard.sh MARK: stays beside a cluster that has an owner (MARK as process_mark writes it) and takes
# it down when the owner has died without doing so. Ends by itself when the cluster is gone.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
is_still_ours() { [ "$(cat "$state/owner" 2>/dev/null)" = "$1" ]; }

while process_lives "$1"; do
  is_still_ours "$1" || exit 0
  sleep 2
done
if is_still_ours "$1"; then exec bash "$cluster_dir/down.sh" --keep-logs; fi

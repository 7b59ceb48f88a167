#!/usr/bin/env bash
# down.sh [--keep-logs]: ends the cluster RUN and removes all of it: processes, mounts, network,
# cgroups, files. Works from what is really there, so also after up.sh was killed half-way.
# With --keep-logs the logs stay in .out/cluster-RUN.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

# Every process of the cluster, pods included, is in its cgroups: they are the record to trust.
processes() {
  local hierarchy
  for hierarchy in $(cgroup_roots); do
    [ ! -d "$hierarchy/$cgroup" ] || find "$hierarchy/$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null
  done | sort -un
}

kill_all() {
  local file node left
  for file in "$state"/pids/*.init; do
    [ -e "$file" ] || continue
    node=${file##*/}
    bash "$cluster_dir/node.sh" off "${node%.init}" &
  done
  wait
  for _ in $(seq 600); do
    left=$(processes)
    [ -n "$left" ] || return 0
    kill -9 $left 2>/dev/null
    sleep 0.05
  done
  say "processes that do not die: $left"
  return 1
}

remove_cgroups() {
  local hierarchy left
  for _ in $(seq 300); do
    left=
    for hierarchy in $(cgroup_roots); do
      [ -d "$hierarchy/$cgroup" ] || continue
      find "$hierarchy/$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
      [ ! -d "$hierarchy/$cgroup" ] || left+=" $hierarchy/$cgroup"
    done
    [ -n "$left" ] || return 0
    sleep 0.1
  done
  say "cgroups that do not go:$left"
  return 1
}

status=0
kill_all || status=1
for link in $(ip -o link show 2>/dev/null | grep -o "q-$RUN-n[0-9]*" | sort -u) "$bridge"; do
  ip link del "$link" 2>/dev/null
done
remove_cgroups || status=1
if [ "${1:-}" = --keep-logs ] && [ -d "$state/log" ]; then
  rm -rf "$root_dir/.out/cluster-$RUN"
  mkdir -p "$root_dir/.out" && cp -r "$state/log" "$root_dir/.out/cluster-$RUN"
  say "logs are in $root_dir/.out/cluster-$RUN"
fi
rm -rf --one-file-system "$state" || status=1
say "cluster '$RUN' is down"
exit $status

#!/usr/bin/env bash
# node-init.sh N: runs as the first process of node N's new namespaces, lays out its mounts and
# becomes its reaper. Everything the node writes lies under $state/nodes/N.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
disk=$state/nodes/$1

hostname "node$1"
# Own peer group, shared inside: mounts in pods and in the node see each other, the machine's not.
mount --make-rprivate /
mount --make-rshared /

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lock /run/containerd
for folder in lib log; do
  mkdir -p "$disk/var/$folder"
  mount --bind "$disk/var/$folder" "/var/$folder"
done

# The kubelet and kube-proxy set sysctls of the whole machine. They find the wanted values in these
# files instead and leave the machine alone.
mkdir -p "$state/sysctl"
while read -r name value; do
  [ -e "/proc/sys/$name" ] || continue
  echo "$value" >"$state/sysctl/${name//\//.}"
  mount --bind "$state/sysctl/${name//\//.}" "/proc/sys/$name"
done <<END
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END

touch "$disk/ready"
exec "$state/pause"

#!/usr/bin/env bash
# prepare.sh [PACKAGE...]: installs these Debian packages; without names those that the test cluster and
# its images need. Does nothing when they are there.
set -euo pipefail

packages=("$@")
[ $# -gt 0 ] || packages=(
  containerd runc containernetworking-plugins # what runs the pods
  iproute2 iptables nftables conntrack socat  # the nodes' network; socat is for port-forward
  buildah mmdebstrap                          # images, from a base made here
  gcc libc6-dev openssl curl                  # the nodes' init process, certificates, checks
  e2fsprogs util-linux procps                 # volumes of a true size; namespaces and locks
  libatomic1                                  # the storage engine's own need on the host
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "prepare: run as root, or install: ${missing[*]}" >&2
  exit 1
fi
echo "prepare: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# No service of these packages is wanted on the machine: policy-rc.d 101 keeps them from starting.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy" "$log"' EXIT
fi
if ! { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "prepare: apt-get failed" >&2
  exit 1
fi

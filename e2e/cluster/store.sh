#!/usr/bin/env bash
# store.sh COMMAND: the members of the store behind the API server, processes of node 1.
#
#   create       starts all of a new store; up.sh calls it
#   kill N       kill -9 of member N
#   start N      starts it again on its data
#   pid N        its process id on this machine
#   urls         client URLs, separated by commas
#   ctl ARG...   the real etcdctl with the certificates and, unless given, all endpoints
#
# STORE_FLAGS="..." are more flags for the members that are started.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
command=$1
shift
etcd_bin=$(cat "$state/etcd-bin")

create() {
  echo "$STORE $STORE_MEMBERS" >"$state/store"
  [ "$STORE" = etcd ] || pack
  local member
  for member in $(seq "$STORE_MEMBERS"); do start "$member"; done
  for member in $(seq "$STORE_MEMBERS"); do
    wait_until 180 "member $member of the store" "1.store$member" \
      ctl --endpoints "$(client_url "$member")" endpoint health
  done
}

# What runs is packed once: the checkout may be edited while members are killed and started again.
pack() {
  local package=$state/quoin
  mkdir -p "$package"
  ln -s "$root_dir/node_modules" "$package/node_modules"
  cp -r "$root_dir/bin" "$root_dir/package.json" "$package"
  npm --prefix "$root_dir" run --silent bundle -- "--outdir=$package/dist/bin"
}

start() { # MEMBER
  local member cluster= program=$etcd_bin/etcd
  for member in $(seq "$STORE_MEMBERS"); do
    cluster+=${cluster:+,}member$member=$(peer_url "$member")
  done
  member=$1
  mkdir -p -m 700 "$state/members"
  [ "$STORE" = etcd ] || program=$state/quoin/bin/etcd
  # No --unsafe-no-fsync: kill -9 forgives it, but times would not be those of a real store.
  start_daemon 1 "store$member" "$program" --name "member$member" \
    --data-dir "$state/members/$member" --log-level "${STORE_LOG_LEVEL:-info}" \
    --listen-client-urls "$(client_url "$member")" --advertise-client-urls "$(client_url "$member")" \
    --listen-peer-urls "$(peer_url "$member")" \
    --initial-advertise-peer-urls "$(peer_url "$member")" --initial-cluster "$cluster" \
    --cert-file "$pki/etcd-server.crt" --key-file "$pki/etcd-server.key" \
    --client-cert-auth --trusted-ca-file "$pki/etcd-ca.crt" \
    --peer-cert-file "$pki/etcd-server.crt" --peer-key-file "$pki/etcd-server.key" \
    --peer-client-cert-auth --peer-trusted-ca-file "$pki/etcd-ca.crt" ${STORE_FLAGS:-}
}

# nsenter waits as the parent of what it started.
pid() { # MEMBER
  local parent
  parent=$(cut -d: -f1 "$state/pids/1.store$1")
  tr -d ' ' <"/proc/$parent/task/$parent/children"
}

ctl() { # ARG...
  # Given twice, etcdctl asks both.
  [[ " $* " == *" --endpoints"* ]] || set -- --endpoints "$(store_urls)" "$@"
  "$etcd_bin/etcdctl" --cacert "$pki/etcd-ca.crt" \
    --cert "$pki/etcd-client.crt" --key "$pki/etcd-client.key" "$@"
}

kill_member() { # MEMBER
  local mark
  mark=$(cat "$state/pids/1.store$1")
  kill -9 "$(pid "$1")"
  while process_lives "$mark"; do sleep 0.02; done
}

case $command in
  create | start | pid | ctl) "$command" "$@" ;;
  kill) kill_member "$1" ;;
  urls) store_urls ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac

#!/usr/bin/env bash
# demo.sh: Quoin on Kubernetes from nothing, shown step by step; `npm run demo`.
#
#   npm run demo            installs what it needs, raises a one-node Kubernetes on this machine,
#                           builds the image, installs the operator, creates a cluster of three
#                           members and writes and reads a key. All of it is left running.
#   npm run demo -- --self  the same on a Kubernetes that itself keeps its data in Quoin: three
#                           members behind the API server instead of etcd
#   npm run demo -- down    takes it away again
#
# With KUBECONFIG and QUOIN_IMAGE set it uses that cluster and that image instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export RUN=demo
self=no
if [ "${1:-}" = --self ]; then
  self=yes
  shift
fi
own_cluster=yes
if [ -n "${QUOIN_IMAGE:-}" ] && [ -n "${KUBECONFIG:-}" ]; then
  own_cluster=no
elif [ -n "${KUBECONFIG:-}" ] && [ "${1:-up}" != down ]; then # down's hint has it exported
  echo "demo: KUBECONFIG is not used: set QUOIN_IMAGE too to install into that cluster" >&2
fi
image=${QUOIN_IMAGE:-quoin:dev}
if [ $own_cluster = no ] && [ $self = yes ]; then
  echo "demo: --self makes a Kubernetes of its own: unset KUBECONFIG and QUOIN_IMAGE" >&2
  exit 2
fi
given_kubeconfig=${KUBECONFIG:-}
. e2e/cluster/settings.sh # say, cluster_dir and the names of the cluster
[ $own_cluster = yes ] || export KUBECONFIG=$given_kubeconfig

title() { printf '\n' >&2; say "$*"; }
show() { # runs a command, and shows it as one would type it
  local word line=
  for word; do
    case $word in *[!A-Za-z0-9_./:=,-]*) word="'$word'" ;; esac
    line+=" $word"
  done
  printf '\n          $%s\n' "$line" >&2
  "$@" | sed 's/^/          /' >&2
}

with_image() { sed "s|quoin:dev|$image|g" "manifests/$1"; }

check_machine() {
  local program
  for program in npm go; do
    [ $own_cluster = no ] || command -v $program >/dev/null || { say "needs $program in PATH"; exit 1; }
  done
  if [ $own_cluster = yes ] && [ "$(id -u)" != 0 ]; then
    say "needs root to raise a Kubernetes (or set KUBECONFIG and QUOIN_IMAGE)"
    exit 1
  fi
}

raise_cluster() {
  if [ ! -x node_modules/.bin/node ]; then
    title "npm packages"
    npm ci --no-fund --no-audit >&2
  fi
  title "packages and programs (only a new machine waits for these)"
  bash "$cluster_dir/prepare.sh"
  PATH=$(bash e2e/tools/build.sh k8s):$PATH
  bash e2e/tools/build.sh etcd coredns >/dev/null
  title "the image"
  local built archive
  built=$(bash "$cluster_dir/images.sh" build "$image")
  archive=${built%%$'\n'*}
  if [ $self = yes ]; then
    title "a Kubernetes of one node, on three members of Quoin"
    STORE=quoin STORE_MEMBERS=3 NODES=1 bash "$cluster_dir/up.sh" >/dev/null
  else
    title "a Kubernetes of one node"
    STORE=etcd STORE_MEMBERS=1 NODES=1 bash "$cluster_dir/up.sh" >/dev/null
  fi
  bash "$cluster_dir/node.sh" load 1 "$archive"
}

install_operator() {
  title "the operator"
  with_image install.yaml | kubectl apply --server-side -f - | sed 's/^/          /' >&2
  kubectl -n quoin-system rollout status deployment/quoin-operator --timeout 120s | sed 's/^/          /' >&2
}

create_cluster() {
  title "a cluster of three members"
  show kubectl apply --server-side -f manifests/examples/quickstart.yaml
  local before='' now deadline=$((SECONDS + 180))
  until kubectl wait etcdcluster/quickstart --for=condition=Available --timeout=0s >/dev/null 2>&1; do
    now=$(kubectl get etcdcluster quickstart --no-headers 2>&1 || true)
    if [ "${now% *}" != "${before% *}" ]; then say "$now"; fi
    before=$now
    [ $SECONDS -lt $deadline ] || { explain; exit 1; }
    sleep 0.3
  done
  say "Available"
  show kubectl get etcdcluster,pods,pvc
}

use_cluster() {
  title "a client, with what Secret quickstart-client gives it: endpoints, certificate, authority"
  with_image examples/client.yaml | kubectl apply --server-side -f - | sed 's/^/          /' >&2
  kubectl wait pod/quickstart-etcdctl --for=condition=Ready --timeout=60s >/dev/null
  local ctl=(kubectl exec quickstart-etcdctl -- etcdctl)
  show "${ctl[@]}" put greeting "hello from $(date +%T)"
  show "${ctl[@]}" get greeting
  show "${ctl[@]}" member list
  show "${ctl[@]}" endpoint status
}

show_store() {
  title "what Kubernetes itself runs on"
  show env RUN=demo bash e2e/cluster/store.sh ctl endpoint status --write-out=simple
  show env RUN=demo bash e2e/cluster/store.sh ctl get --prefix --keys-only /registry/quoin.dev/
}

explain() {
  say "the cluster does not become Available:"
  show kubectl get etcdcluster,pods,pvc -A
  show kubectl get events --sort-by=.lastTimestamp
  show kubectl -n quoin-system logs deploy/quoin-operator --tail=20
  hint
}

hint() {
  local alias= variables=
  if [ $own_cluster = yes ]; then
    alias="
  alias kubectl=$(command -v kubectl)"
  else
    variables="QUOIN_IMAGE=$image "
  fi
  cat <<END

It is left running. To look around:

  export KUBECONFIG=$KUBECONFIG$alias
  kubectl get etcdcluster quickstart -o yaml
  kubectl exec quickstart-etcdctl -- etcdctl get greeting
  kubectl scale etcdcluster quickstart --replicas 5

To take it away${variables:+ (the volumes stay)}:

  ${variables}npm run demo -- down
END
}

take_away() {
  if [ $own_cluster = yes ]; then
    bash "$cluster_dir/down.sh"
    return
  fi
  kubectl delete --ignore-not-found -f manifests/examples/client.yaml -f manifests/examples/quickstart.yaml
  # The definition of EtcdCluster goes only with the last of them: deleting it deletes them.
  if [ -z "$(kubectl get etcdclusters -A -o name 2>/dev/null)" ]; then
    with_image install.yaml | kubectl delete --ignore-not-found -f -
  else
    say "other EtcdClusters exist: the operator stays"
  fi
}

case ${1:-up} in
  up)
    check_machine
    [ $own_cluster = no ] || raise_cluster
    install_operator
    create_cluster
    use_cluster
    [ $self = no ] || show_store
    title "done"
    hint
    ;;
  down) take_away ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac

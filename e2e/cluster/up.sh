#!/usr/bin/env bash
# up.sh: brings up a real Kubernetes on this machine and prints the path of its kubeconfig.
#
#   RUN=test|demo|...  the run's id: names and addresses derive from it (settings.sh)
#   NODES=1            1 to 5; node 1 also carries the control plane
#   IMAGES="a.tar ..." images to import into every node, beside the pause image
#   STORE=etcd         what keeps the API server's data: etcd, or quoin of this checkout
#   STORE_MEMBERS=1    how many members of it, 1 to 5
#   STORE_FLAGS="..."  more flags for the members
#   API_FLAGS="..."    more flags for kube-apiserver
#   LEADER_ELECT=false true: controllers and scheduler hold leases, as where there are several
#   OWNER=PID          the cluster belongs to this process and goes down when that has died
#
# A cluster of this id that is alive and has no other owner is kept: up.sh then only reports it.
set -euo pipefail
wanted_store="${STORE:-etcd} ${STORE_MEMBERS:-1}"
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
. "$cluster_dir/configs.sh"
. "$cluster_dir/control-plane.sh"
NODES=${NODES:-1}
[ "$(id -u)" = 0 ] || { echo "up: namespaces and cgroups need root" >&2; exit 1; }
[ "$NODES" -ge 1 ] && [ "$NODES" -le $max_nodes ] || { echo "up: NODES is 1 to $max_nodes" >&2; exit 2; }

deal_with_predecessor() {
  [ -e "$state" ] || return 0
  local owner user
  owner=$(cat "$state/owner" 2>/dev/null || true)
  for user in $owner $(cat "$state/builder" 2>/dev/null); do
    if process_lives "$user" && [ "${user%%:*}" != "${OWNER:-}" ]; then
      say "cluster '$RUN' is in use by process ${user%%:*}; choose another RUN"
      exit 1
    fi
  done
  if [ -z "$owner" ] && [ -e "$state/is-up" ] && apiserver_is_ready; then
    if [ "$STORE $STORE_MEMBERS" != "$wanted_store" ]; then
      say "cluster '$RUN' is up on $STORE with $STORE_MEMBERS members: take it down first (down.sh)"
      exit 1
    fi
    say "cluster '$RUN' is already up"
    echo "$KUBECONFIG"
    exit 0
  fi
  say "clearing away what a former run left"
  bash "$cluster_dir/down.sh"
  STORE=${wanted_store% *} STORE_MEMBERS=${wanted_store#* }
}

check_addresses_are_free() {
  local taken
  taken=$(ip -4 route show root "10.$slot.0.0/16")
  if [ -n "$taken" ]; then
    say "10.$slot.0.0/16 is in use on this machine ($taken); choose another RUN"
    exit 1
  fi
}

create_bridge() {
  ip link add "$bridge" type bridge
  ip addr add "$host_ip/24" dev "$bridge"
  ip link set "$bridge" up
  ip route add "$service_cidr" via "$(node_ip 1)"
}

for_each_node() { # STEP: in parallel, all must succeed
  local node pids=() pid
  for node in $(seq "$NODES"); do
    bash "$cluster_dir/node.sh" "$1" "$node" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
}

node_is_ready() {
  kubectl get node "node$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' | grep -q True
}

wait_for_nodes() {
  local node
  for node in $(seq "$NODES"); do
    wait_until 180 "node$node" "$node.kubelet" node_is_ready "$node"
  done
  say "$NODES node(s) Ready"
  for node in $(seq "$NODES"); do
    wait_until 120 "kube-proxy" "$node.kube-proxy" in_node "$node" curl -fs --max-time 10 http://127.0.0.1:10256/healthz
  done
  wait_until 120 "service accounts" 1.kube-controller-manager kubectl get serviceaccount default --request-timeout=10s
  wait_until 120 "DNS" 1.coredns in_node 1 curl -fs --max-time 10 http://127.0.0.1:8182/ready
  wait_until 120 "addresses of Services" 1.kube-proxy \
    curl -fs --max-time 10 --cacert "$pki/ca.crt" "https://$service_api_ip/version"
}

deal_with_predecessor
bash "$cluster_dir/prepare.sh"
K8S_BIN=$(bash "$root_dir/e2e/tools/build.sh" k8s)
ETCD_BIN=$(bash "$root_dir/e2e/tools/build.sh" etcd)
COREDNS_BIN=$(bash "$root_dir/e2e/tools/build.sh" coredns)
export K8S_BIN
kubectl() { "$K8S_BIN/kubectl" "$@"; }
bash "$cluster_dir/images.sh" pause
check_addresses_are_free

mkdir -p "$cache_dir/cluster"
mkdir "$state"
process_mark $$ >"$state/builder"
mkdir "$state"/{pids,log,cfg,nodes}
# From here on a failure, or a signal, leaves nothing behind.
trap 'status=$?; [ $status = 0 ] || { bash "$cluster_dir/down.sh" --keep-logs; exit $status; }' EXIT
trap 'exit 130' INT TERM HUP
if [ -n "${OWNER:-}" ]; then
  process_mark "$OWNER" >"$state/owner"
  setsid bash "$cluster_dir/guard.sh" "$(cat "$state/owner")" </dev/null >/dev/null 2>&1 &
fi
echo "$K8S_BIN" >"$state/k8s-bin"
echo "$ETCD_BIN" >"$state/etcd-bin"
cp "$pause_program" "$state/pause"
modprobe -a overlay br_netfilter nf_tables 2>/dev/null || true # built in on some machines
bash "$cluster_dir/pki.sh"
create_bridge
for_each_node boot
say "namespaces, network, certificates"
bash "$cluster_dir/store.sh" create
start_apiserver
for_each_node runtime
say "containerd runs, images are imported"
wait_until 180 "the API" 1.kube-apiserver apiserver_is_ready
say "the API answers"
start_controllers
start_scheduler
start_dns
for_each_node agents
kubectl apply --server-side -f "$cluster_dir/base.yaml" >/dev/null
wait_for_nodes
touch "$state/is-up"
say "cluster '$RUN' is up: KUBECONFIG=$KUBECONFIG"
echo "$KUBECONFIG"

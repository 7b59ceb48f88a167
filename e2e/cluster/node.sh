#!/usr/bin/env bash
# node.sh COMMAND N: one node, which is a set of namespaces on this machine.
#
#   on N          power on: namespaces, network, containerd, kubelet, kube-proxy, volumes
#   off N         power off: everything in it dies at once; its disk stays
#   exec N CMD... run a command in it
#   cut N         pull its network cable; `mend N` puts it back
#   load N TAR... import images into it
#
# up.sh uses the steps of `on` one by one: boot, runtime, agents.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
. "$cluster_dir/configs.sh"
command=$1
node=$2
shift 2

boot() {
  local disk=$state/nodes/$node starter init
  node_is_on "$node" && { say "node$node is already on"; exit 1; }
  mkdir -p "$disk"
  rm -f "$disk/ready"
  (
    join_cgroup "$node"
    exec setsid unshare --pid --mount --net --uts --fork --kill-child --mount-proc \
      bash "$cluster_dir/node-init.sh" "$node"
  ) >>"$state/log/$node.init.log" 2>&1 </dev/null &
  starter=$!
  process_mark $starter >"$state/pids/$node.starter"
  wait_until 120 "node$node's init" "$node.starter" test -e "$disk/ready"
  init=$(tr -d ' ' <"/proc/$starter/task/$starter/children")
  process_mark "$init" >"$state/pids/$node.init"
  connect "$init"
}

# Gives the node its cable to the bridge and its routes; all of it vanishes with the node.
connect() {
  local init=$1 link other
  link=$(link_of "$node")
  ip link add "$link" master "$bridge" type veth peer name eth0 netns "$init"
  ip link set "$link" up
  ip route replace "$(pod_subnet "$node")" via "$(node_ip "$node")"

  in_netns() { nsenter -t "$init" -n -- "$@"; }
  in_netns ip link set lo up
  in_netns ip addr add "$(node_ip "$node")/24" dev eth0
  in_netns ip link set eth0 up
  in_netns ip route add default via "$host_ip" # addresses of Services need a route to be rewritten
  in_netns ip link add cni0 type bridge
  in_netns ip addr add "$(pod_gateway "$node")/24" dev cni0
  in_netns ip link set cni0 up
  for other in $(seq $max_nodes); do
    [ "$other" = "$node" ] ||
      in_netns ip route replace "$(pod_subnet "$other")" via "$(node_ip "$other")"
  done
  in_node "$node" sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
}

runtime() {
  write_cni_config "$node"
  write_containerd_config "$node"
  start_daemon "$node" containerd containerd -c "$state/cfg/containerd$node.toml"
  wait_until 120 "containerd on node$node" "$node.containerd" \
    in_node "$node" ctr version
  if [ ! -e "$state/nodes/$node/images-loaded" ]; then
    load "$pause_program.tar" ${IMAGES:-}
    touch "$state/nodes/$node/images-loaded"
  fi
}

load() {
  local archive
  for archive in "$@"; do
    in_node "$node" ctr -n k8s.io images import "$archive" >/dev/null
  done
}

agents() {
  write_kubelet_config "$node"
  write_proxy_config "$node"
  start_daemon "$node" kubelet "$K8S_BIN/kubelet" --config "$state/cfg/kubelet$node.yaml" \
    --kubeconfig "$pki/kubelet$node.conf" --hostname-override "node$node" \
    --node-ip "$(node_ip "$node")" --root-dir /var/lib/kubelet
  start_daemon "$node" kube-proxy "$K8S_BIN/kube-proxy" --config "$state/cfg/proxy$node.yaml"
  start_daemon "$node" volumes "$root_dir/node_modules/.bin/node" "$cluster_dir/volumes.ts" \
    "https://$(node_ip 1):6443" "$pki" "node$node"
}

off() {
  local mark file
  # The first process takes everything in its namespace along; its starter ends once all is gone.
  if node_is_on "$node"; then kill -9 "$(node_init "$node")"; fi
  for file in "$state/pids/$node."*; do
    [ -e "$file" ] || continue
    mark=$(cat "$file")
    for _ in $(seq 1200); do process_lives "$mark" && sleep 0.05 || break; done
    rm -f "$file"
  done
  ip link del "$(link_of "$node")" 2>/dev/null || true
}

K8S_BIN=${K8S_BIN:-$(cat "$state/k8s-bin" 2>/dev/null || true)}
case $command in
  boot | runtime | agents | off) "$command" ;;
  on) boot && runtime && agents ;;
  exec) in_node "$node" "$@" ;;
  cut) ip link set "$(link_of "$node")" down ;;
  mend) ip link set "$(link_of "$node")" up && ip route replace "$(pod_subnet "$node")" via "$(node_ip "$node")" ;;
  load) load "$@" ;;
  *) echo "node.sh: no command $command" >&2; exit 2 ;;
esac

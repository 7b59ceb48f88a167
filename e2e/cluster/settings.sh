# settings.sh: names, addresses and small functions of one test cluster; to be sourced.
#
# RUN is the run's id (default: test). All names, addresses and cgroups derive from it, so clusters
# of different ids live side by side on one machine.

cluster_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root_dir=$(cd "$cluster_dir/../.." && pwd)
cache_dir=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/quoin

RUN=${RUN:-test}
[[ $RUN =~ ^[a-z][a-z0-9]{0,7}$ ]] || { echo "RUN=$RUN: use up to 8 letters and digits" >&2; exit 2; }

# One /16 per run: nodes 10.S.0.N, the machine itself 10.S.0.254, pods 10.S.16+N.x, Services 10.S.32.0/20.
case $RUN in
  demo) slot=60 ;;
  test) slot=61 ;;
  *) slot=$((62 + $(cksum <<<"$RUN" | cut -d' ' -f1) % 60)) ;;
esac
node_ip() { echo "10.$slot.0.$1"; }
pod_subnet() { echo "10.$slot.$((16 + $1)).0/24"; }
pod_gateway() { echo "10.$slot.$((16 + $1)).1"; }
host_ip=10.$slot.0.254
pod_cidr=10.$slot.16.0/20
service_cidr=10.$slot.32.0/20
service_api_ip=10.$slot.32.1
max_nodes=5

bridge=q-$RUN
link_of() { echo "q-$RUN-n$1"; }
cgroup=quoin-$RUN
state=$cache_dir/cluster/$RUN     # everything of this cluster; down.sh removes it
images_dir=$cache_dir/images
pki=$state/pki
pause_image=localhost/pause:1
pause_program=$images_dir/pause-$(cksum <"$cluster_dir/pause.c" | cut -d' ' -f1)
export KUBECONFIG=$state/kubeconfig

started_at=${started_at:-$(date +%s%N)}
export started_at
say() {
  local ms=$((($(date +%s%N) - started_at) / 1000000))
  printf '%s %4d.%ds  %s\n' "[$RUN]" $((ms / 1000)) $((ms % 1000 / 100)) "$*" >&2
}

# A process as "pid:start time", which no later process can have.
process_mark() { echo "$1:$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20)"; }
process_lives() { # MARK
  local state_letter
  [ "$(process_mark "${1%%:*}")" = "$1" ] || return 1
  state_letter=$(sed 's/.*) //' "/proc/${1%%:*}/stat" 2>/dev/null | cut -d' ' -f1)
  [ "$state_letter" != Z ] && [ -n "$state_letter" ]
}

node_init() { cut -d: -f1 "$state/pids/$1.init"; }
node_is_on() { [ -e "$state/pids/$1.init" ] && process_lives "$(cat "$state/pids/$1.init")"; }

# Runs a command in the namespaces of node N. (Not `ip netns exec`: that hides the cgroups.)
in_node() {
  local node=$1
  shift
  nsenter -t "$(node_init "$node")" -p -m -n -u -- "$@"
}

# The folders under which this machine's cgroup hierarchies keep their groups: one for each
# controller in version 1, a single one in version 2.
cgroup_roots() {
  local folder
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    echo /sys/fs/cgroup
    return
  fi
  for folder in /sys/fs/cgroup/*/; do
    folder=${folder%/}
    if [ ! -L "$folder" ] && [ -e "$folder/cgroup.procs" ]; then echo "$folder"; fi
  done
}

# Moves the calling subshell into node N's group of daemons, in every hierarchy.
join_cgroup() {
  local hierarchy group
  for hierarchy in $(cgroup_roots); do
    [ "${hierarchy##*/}" != unified ] || continue
    for group in "$cgroup" "$cgroup/node$1" "$cgroup/node$1/system"; do
      group=$hierarchy/$group
      if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo "+cpu +cpuset +io +memory +pids" >"${group%/*}/cgroup.subtree_control"
      fi
      [ -d "$group" ] || mkdir -p "$group"
      if [ "${hierarchy##*/}" = cpuset ]; then
        cat "${group%/*}/cpuset.cpus" >"$group/cpuset.cpus"
        cat "${group%/*}/cpuset.mems" >"$group/cpuset.mems"
      fi
    done
    echo "$BASHPID" >"$hierarchy/$cgroup/node$1/system/cgroup.procs"
  done
}

# The members of the store behind the API server (store.sh): STORE is etcd or quoin, of STORE_MEMBERS
# members. They live on node 1; the machine reaches them too. A cluster that is up knows its own.
STORE=$(cat "$state/store" 2>/dev/null || echo "${STORE:-etcd} ${STORE_MEMBERS:-1}")
STORE_MEMBERS=${STORE#* }
STORE=${STORE% *}
[[ "$STORE $STORE_MEMBERS" =~ ^(etcd|quoin)\ [1-5]$ ]] || {
  echo "STORE=$STORE STORE_MEMBERS=$STORE_MEMBERS: use etcd or quoin, 1 to 5 members" >&2
  exit 2
}
client_url() { echo "https://$(node_ip 1):$((2369 + 10 * $1))"; }
peer_url() { echo "https://$(node_ip 1):$((2370 + 10 * $1))"; }
store_urls() { # separated by commas
  local member urls=
  for member in $(seq "$STORE_MEMBERS"); do urls+=${urls:+,}$(client_url "$member"); done
  echo "$urls"
}

# Starts NAME on node N as a daemon of that node; its log is $state/log/N.NAME.log.
start_daemon() {
  local node=$1 name=$2
  shift 2
  (
    join_cgroup "$node"
    exec setsid nsenter -t "$(node_init "$node")" -p -m -n -u -- "$@"
  ) >>"$state/log/$node.$name.log" 2>&1 </dev/null &
  process_mark $! >"$state/pids/$node.$name"
}

# wait_until SECONDS WHAT DAEMON COMMAND...: until the command succeeds. Gives up early when the
# daemon (as N.NAME) has died, and shows the end of its log; so the seconds are for one that hangs, and
# generous: a busy machine takes many times as long as an idle one.
wait_until() {
  local seconds=$1 what=$2 daemon=$3 deadline
  shift 3
  deadline=$(($(date +%s) + seconds))
  until "$@" >/dev/null 2>&1; do
    if ! process_lives "$(cat "$state/pids/$daemon")"; then
      say "$what: $daemon died:"
    elif [ "$(date +%s)" -ge "$deadline" ]; then
      say "$what: not within $seconds s; $daemon says:"
    else
      sleep 0.1
      continue
    fi
    tail -n 8 "$state/log/$daemon.log" >&2
    return 1
  done
}

# configs.sh: writes the configuration files of the nodes' programs; to be sourced after settings.sh.
# The values that look odd serve machines with few rights: no lowering of oom scores, no raising of
# file limits, no machine-wide connection tracking. README.md tells which cures what.

write_cni_config() { # NODE
  mkdir -p "$state/cfg/cni$1"
  cat >"$state/cfg/cni$1/10-quoin.conflist" <<END
{
  "cniVersion": "1.0.0",
  "name": "quoin",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
      "ipam": {
        "type": "host-local", "dataDir": "/run/cni-ipam",
        "ranges": [[{"subnet": "$(pod_subnet "$1")"}]], "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
END
}

write_containerd_config() { # NODE
  # Every pull fails at once: all images are imported.
  mkdir -p "$state/cfg/registries/_default"
  cat >"$state/cfg/registries/_default/hosts.toml" <<END
server = "http://127.0.0.1:1"
[host."http://127.0.0.1:1"]
END
  if containerd --version | grep -q ' v\?2\.\|/v2 '; then
    containerd_config_2 "$1"
  else
    containerd_config_1 "$1"
  fi >"$state/cfg/containerd$1.toml"
}

containerd_config_1() {
  cat <<END
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause_image"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$state/cfg/registries"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cfg/cni$1"
END
}

containerd_config_2() {
  cat <<END
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "$state/cfg/registries"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "$pause_image"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "$state/cfg/cni$1"
END
}

write_kubelet_config() { # NODE
  cat >"$state/cfg/kubelet$1.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $(node_ip "$1")
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet-serving.crt
tlsPrivateKeyFile: $pki/kubelet-serving.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup/node$1
failCgroupV1: false
failSwapOn: false
clusterDNS: [$(node_ip 1)]
clusterDomain: cluster.local
resolvConf: $state/cfg/resolv.conf
healthzBindAddress: 127.0.0.1
maxPods: 60
maxOpenFiles: 20000
oomScoreAdj: 0
makeIPTablesUtilChains: false
serializeImagePulls: false
nodeStatusUpdateFrequency: 3s
nodeLeaseDurationSeconds: 8
# Images cannot be pulled again: neither age nor a fullish disk may remove them.
imageMinimumGCAge: 24h
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
END
  echo "nameserver $(node_ip 1)" >"$state/cfg/resolv.conf"
}

write_proxy_config() { # NODE
  cat >"$state/cfg/proxy$1.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $pki/proxy.conf}
clusterCIDR: $pod_cidr
hostnameOverride: node$1
bindAddress: $(node_ip "$1")
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
# A Service answers 100 ms after it appears instead of a second.
nftables: {minSyncPeriod: 100ms, syncPeriod: 30s}
END
}

write_dns_config() {
  cat >"$state/cfg/Corefile" <<END
.:53 {
  bind $(node_ip 1)
  errors
  health 127.0.0.1:8181
  ready 127.0.0.1:8182
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $pki/coredns.conf quoin-$RUN
    pods insecure
    ttl 2
  }
  cache 2
}
END
}

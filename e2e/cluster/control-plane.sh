# control-plane.sh: starts the control plane's programs on node 1; to be sourced after settings.sh.
# K8S_BIN and COREDNS_BIN hold the programs. What keeps the data: store.sh.

start_apiserver() {
  start_daemon 1 kube-apiserver "$K8S_BIN/kube-apiserver" \
    --advertise-address "$(node_ip 1)" --bind-address 0.0.0.0 --secure-port 6443 \
    --service-cluster-ip-range "$service_cidr" --allow-privileged=true --profiling=false \
    --etcd-servers "$(store_urls)" --etcd-cafile "$pki/etcd-ca.crt" \
    --etcd-certfile "$pki/etcd-client.crt" --etcd-keyfile "$pki/etcd-client.key" \
    --client-ca-file "$pki/ca.crt" \
    --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
    --kubelet-certificate-authority "$pki/ca.crt" \
    --kubelet-client-certificate "$pki/apiserver-kubelet.crt" \
    --kubelet-client-key "$pki/apiserver-kubelet.key" \
    --kubelet-preferred-address-types InternalIP \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --service-account-key-file "$pki/sa.pub" --service-account-signing-key-file "$pki/sa.key" \
    --requestheader-client-ca-file "$pki/front-proxy-ca.crt" \
    --requestheader-allowed-names front-proxy-client \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
    --requestheader-extra-headers-prefix X-Remote-Extra- \
    --proxy-client-cert-file "$pki/front-proxy-client.crt" \
    --proxy-client-key-file "$pki/front-proxy-client.key" --enable-aggregator-routing \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    ${API_FLAGS:-}
}

start_controllers() {
  local kubeconfig=$pki/controller-manager.conf
  # A node that stops reporting is NotReady after 16 s, not 40.
  start_daemon 1 kube-controller-manager "$K8S_BIN/kube-controller-manager" \
    --kubeconfig "$kubeconfig" --authentication-kubeconfig "$kubeconfig" \
    --authorization-kubeconfig "$kubeconfig" --leader-elect="${LEADER_ELECT:-false}" --bind-address 127.0.0.1 \
    --use-service-account-credentials --service-account-private-key-file "$pki/sa.key" \
    --root-ca-file "$pki/ca.crt" --allocate-node-cidrs=false --profiling=false \
    --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
    --node-monitor-period 1s --node-monitor-grace-period "${NODE_GRACE:-16s}" \
    --pvclaimbinder-sync-period 2s --kube-api-qps 300 --kube-api-burst 500
}

start_scheduler() {
  local kubeconfig=$pki/scheduler.conf
  start_daemon 1 kube-scheduler "$K8S_BIN/kube-scheduler" --kubeconfig "$kubeconfig" \
    --authentication-kubeconfig "$kubeconfig" --authorization-kubeconfig "$kubeconfig" \
    --leader-elect="${LEADER_ELECT:-false}" --bind-address 127.0.0.1
}

start_dns() {
  write_dns_config
  start_daemon 1 coredns "$COREDNS_BIN/coredns" -conf "$state/cfg/Corefile"
}

apiserver_is_ready() {
  [ "$(curl -sf --max-time 10 --cacert "$pki/ca.crt" --cert "$pki/admin.crt" --key "$pki/admin.key" \
    "https://$(node_ip 1):6443/readyz")" = ok ]
}

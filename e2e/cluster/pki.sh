#!/usr/bin/env bash
# pki.sh: the cluster's certificates and kubeconfigs, made with openssl (elliptic curves: one second
# for all). Nothing of it outlives the cluster.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
mkdir -p "$pki"
chmod 700 "$pki"
cd "$pki"

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

authority() { # NAME
  new_key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 3650 -out "$1.crt" \
    -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}

certificate() { # NAME AUTHORITY SUBJECT USAGE [ALTERNATIVE NAMES]
  new_key "$1"
  {
    echo "basicConstraints=CA:FALSE"
    echo "keyUsage=critical,digitalSignature,keyEncipherment"
    echo "extendedKeyUsage=$4"
    [ -z "${5:-}" ] || echo "subjectAltName=$5"
  } >"$1.ext"
  openssl req -new -key "$1.key" -subj "$3" |
    openssl x509 -req -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 3650 \
      -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.ext"
}

kubeconfig() { # NAME: of the certificate of that name
  cat >"$1.conf" <<END
apiVersion: v1
kind: Config
current-context: quoin-$RUN
clusters:
- name: quoin-$RUN
  cluster:
    server: https://$(node_ip 1):6443
    certificate-authority-data: $(base64 -w0 ca.crt)
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w0 "$1.crt")
    client-key-data: $(base64 -w0 "$1.key")
contexts:
- name: quoin-$RUN
  context: {cluster: quoin-$RUN, user: $1}
END
}

client() { # NAME SUBJECT
  certificate "$1" ca "$2" clientAuth
  kubeconfig "$1"
}

authority ca
authority etcd-ca
authority front-proxy-ca

api_names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
api_names+=,DNS:kubernetes.default.svc.cluster.local,DNS:localhost
api_names+=,IP:127.0.0.1,IP:$(node_ip 1),IP:$service_api_ip
certificate apiserver ca /CN=kube-apiserver serverAuth "$api_names"
certificate apiserver-kubelet ca /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
certificate etcd-server etcd-ca /CN=etcd serverAuth,clientAuth \
  "DNS:localhost,IP:127.0.0.1,IP:$(node_ip 1)"
certificate etcd-client etcd-ca /CN=apiserver clientAuth
certificate front-proxy-client front-proxy-ca /CN=front-proxy-client clientAuth

client admin /O=system:masters/CN=admin
client controller-manager /CN=system:kube-controller-manager
client scheduler /CN=system:kube-scheduler
client proxy /CN=system:kube-proxy
client coredns /CN=system:coredns
client volumes /CN=quoin:volumes
kubelet_names=
for node in $(seq $max_nodes); do
  client "kubelet$node" "/O=system:nodes/CN=system:node:node$node"
  kubelet_names+=${kubelet_names:+,}DNS:node$node,IP:$(node_ip "$node")
done
certificate kubelet-serving ca /CN=kubelet serverAuth "$kubelet_names"

new_key sa
openssl ec -in sa.key -pubout -out sa.pub 2>/dev/null
cp admin.conf "$KUBECONFIG"

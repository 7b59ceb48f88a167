# A cluster with an authority of its own for clients and another for peers; certificates first, then the seed.
create {replicas: 1, tls: {client: {mode: Operator}, peer: {mode: Operator}}}
run
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0 tls=Operator/Operator
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=1
  secret a-ca authority
  secret a-server leaf
  secret a-operator leaf
  secret a-client leaf
  secret a-peer-ca authority
  secret a-peer leaf
  latch tls=Operator/Operator/member.a-peer.ns.svc
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  volume data-a-m2 joinOrder a-m2=https://a-m2-0.a-peer.ns.svc:2380
  apply StatefulSet a-m2
  latch clusterID=c1
  delete Job a-m2-init
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
certificates
  = a-ca a etcd client authority 3650d, trusts 1
  = a-client a-client 90d, trusts 1
  = a-operator root 90d, trusts 1
  = a-peer a-peer 90d, trusts 1
  = a-peer-ca a etcd peer authority 3650d, trusts 1
  = a-server a-server 90d, trusts 1
# Nothing to do while they are young.
days 50
run
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
# Two thirds of 90 days are over: each is renewed, nobody restarts.
days 11
run
  secret a-server leaf
  secret a-operator leaf
  secret a-client leaf
  secret a-peer leaf
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
certificates
  = a-ca a etcd client authority 3589d, trusts 1
  = a-client a-client 90d, trusts 1
  = a-operator root 90d, trusts 1
  = a-peer a-peer 90d, trusts 1
  = a-peer-ca a etcd peer authority 3589d, trusts 1
  = a-server a-server 90d, trusts 1
# Deleting a Secret is how a person asks for another certificate.
drop-secret a-server
run
  secret a-server leaf
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
drop-secret a-operator
run
  secret a-operator leaf
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
# The mode was chosen when the cluster was made.
edit {tls: {client: {mode: Disabled}}}
run
  = Available=True(QuorumHealthy) Progressing=False(InvalidSpec) Degraded=True(InvalidSpec)
  = members a-m2*
  = set spec.tls.client.mode back to Operator, or remove it: it was chosen when the cluster was made, and Disabled would part its members or clients; for Disabled restore a backup into a new EtcdCluster
edit {tls: {client: {mode: Operator, extraHosts: [etcd.example]}}}
run
  secret a-server leaf
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
# One that was made without TLS stays without, whatever the spec asks for later.
create {replicas: 1}
run
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=1
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  volume data-a-m2 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380
  apply StatefulSet a-m2
  latch clusterID=c1
  delete Job a-m2-init
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
edit {tls: {peer: {mode: Operator}}}
run
  = Available=True(QuorumHealthy) Progressing=False(InvalidSpec) Degraded=True(InvalidSpec)
  = members a-m2*
  = set spec.tls.peer.mode back to Disabled, or remove it: it was chosen when the cluster was made, and Operator would part its members or clients; for Operator restore a backup into a new EtcdCluster
# And the members of an adopted cluster are dialled as they know each other.
create {replicas: 1, tls: {client: {mode: Operator}, peer: {mode: Operator}}}
steps 40
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0 tls=Operator/Operator
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=1
  secret a-ca authority
  secret a-server leaf
  secret a-operator leaf
  secret a-client leaf
  secret a-peer-ca authority
  secret a-peer leaf
  latch tls=Operator/Operator/member.a-peer.ns.svc
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  volume data-a-m2 joinOrder a-m2=https://a-m2-0.a-peer.ns.svc:2380
  apply StatefulSet a-m2
  latch clusterID=c1
  delete Job a-m2-init
recreate {bootstrap: {existingVolumes: Adopt}}
run
  latch clusterToken=token1 version=1.0.0 image=quoin:1.0.0 tls=Operator/Operator
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=1
  secret a-ca authority
  secret a-server leaf
  secret a-operator leaf
  secret a-client leaf
  secret a-peer-ca authority
  secret a-peer leaf
  latch tls=Operator/Operator/member.a-peer.ns.svc
  apply StatefulSet a-m2
  latch clusterID=c1
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*

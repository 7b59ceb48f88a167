# The next authority is trusted everywhere before it signs, and the old one until nothing of it is left.
create {replicas: 1, tls: {client: {mode: Operator}, peer: {mode: Disabled}}}
run
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0 tls=Operator/Disabled
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=1
  secret a-ca authority
  secret a-server leaf
  secret a-operator leaf
  secret a-client leaf
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  volume data-a-m2 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380
  apply StatefulSet a-m2
  latch clusterID=c1
  delete Job a-m2-init
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
drop-secret a-ca
run
  secret a-ca authority
  secret a-server trust
  secret a-operator trust
  secret a-client trust
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
certificates
  = a-ca a etcd client authority 3650d, trusts 2
  = a-client a-client 90d, trusts 2
  = a-operator root 90d, trusts 2
  = a-server a-server 90d, trusts 2
# An hour later it signs.
wait 3700
run
  secret a-server leaf
  secret a-operator leaf
  secret a-client leaf
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
certificates
  = a-ca a etcd client authority 3650d, trusts 2
  = a-client a-client 90d, trusts 2
  = a-operator root 90d, trusts 2
  = a-server a-server 90d, trusts 2
# Another hour later the old one is forgotten.
wait 3700
run
  secret a-ca retire
  secret a-server trust
  secret a-operator trust
  secret a-client trust
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
certificates
  = a-ca a etcd client authority 3650d, trusts 1
  = a-client a-client 90d, trusts 1
  = a-operator root 90d, trusts 1
  = a-server a-server 90d, trusts 1
# After two thirds of ten years it happens by itself (certificates are renewed many times meanwhile).
days 2440
steps 4
  secret a-ca authority
  secret a-server leaf
  secret a-operator leaf
  secret a-client leaf
certificates
  = a-ca a etcd client authority 3650d, trusts 2
  = a-client a-client 90d, trusts 2
  = a-operator root 90d, trusts 2
  = a-server a-server 90d, trusts 2

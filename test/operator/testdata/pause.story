# Paused first: nothing moves, status stays.
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
edit {paused: true, replicas: 3}
run
  = Available=True(QuorumHealthy) Progressing=False(Paused) Degraded=False(AsExpected)
  = members a-m2*
edit {paused: false}
run
  apply PodDisruptionBudget a minAvailable=2
  latch joining=a-m54
  create PersistentVolumeClaim data-a-m54
  memberAdd a-m54
  volume data-a-m54 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m54=http://a-m54-0.a-peer.ns.svc:2380
  apply StatefulSet a-m54
  memberPromote a-m54
  latch joining=-
  latch joining=a-m76
  create PersistentVolumeClaim data-a-m76
  memberAdd a-m76
  volume data-a-m76 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m54=http://a-m54-0.a-peer.ns.svc:2380,a-m76=http://a-m76-0.a-peer.ns.svc:2380
  apply StatefulSet a-m76
  memberPromote a-m76
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m54 a-m76

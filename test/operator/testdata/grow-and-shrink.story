# Three members from one seed; the budget is priced for three from the start.
create {replicas: 3}
run
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=2
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  volume data-a-m2 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380
  apply StatefulSet a-m2
  latch clusterID=c1
  delete Job a-m2-init
  latch joining=a-m36
  create PersistentVolumeClaim data-a-m36
  memberAdd a-m36
  volume data-a-m36 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380
  apply StatefulSet a-m36
  memberPromote a-m36
  latch joining=-
  latch joining=a-m58
  create PersistentVolumeClaim data-a-m58
  memberAdd a-m58
  volume data-a-m58 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m58
  memberPromote a-m58
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m36 a-m58
# Down to one: the seed is the last to go, followers first.
edit {replicas: 1}
run
  latch removing=a-m58
  memberRemove a-m58
  delete StatefulSet a-m58
  delete PersistentVolumeClaim data-a-m58
  latch removing=-
  latch removing=a-m36
  memberRemove a-m36
  apply PodDisruptionBudget a minAvailable=1
  delete StatefulSet a-m36
  delete PersistentVolumeClaim data-a-m36
  latch removing=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
edit {replicas: 2}
run
  apply PodDisruptionBudget a minAvailable=2
  latch joining=a-m124
  create PersistentVolumeClaim data-a-m124
  memberAdd a-m124
  volume data-a-m124 joinOrder a-m124=http://a-m124-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380
  apply StatefulSet a-m124
  memberPromote a-m124
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m124 a-m2*

# A volume that is gone, with the leader on it.
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
harm a-m2 volume-gone
run
  latch replacing=a-m2(VolumeGone) removing=a-m2
  memberRemove a-m2
  delete StatefulSet a-m2
  latch removing=-
  latch joining=a-m98
  create PersistentVolumeClaim data-a-m98
  memberAdd a-m98
  volume data-a-m98 joinOrder a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380,a-m98=http://a-m98-0.a-peer.ns.svc:2380
  apply StatefulSet a-m98
  memberPromote a-m98
  latch replacing=-
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m36* a-m58 a-m98
# Deleted while its pod runs: another member gets its data first, then the leadership moves, then it goes.
harm a-m36 volume-deleted
run
  apply PodDisruptionBudget a minAvailable=3
  latch joining=a-m132
  create PersistentVolumeClaim data-a-m132
  memberAdd a-m132
  volume data-a-m132 joinOrder a-m132=http://a-m132-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380,a-m98=http://a-m98-0.a-peer.ns.svc:2380
  apply StatefulSet a-m132
  memberPromote a-m132
  latch replacing=a-m36(VolumeDeleted) removing=a-m36
  moveLeader a-m36 -> a-m132
  memberRemove a-m36
  apply PodDisruptionBudget a minAvailable=2
  delete StatefulSet a-m36
  latch removing=-
  latch replacing=-
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m132* a-m58 a-m98

# Every way in which a disk loses its data; the member is replaced under a new name, its volume kept.
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
# Emptied: the others know the member, so the server says 76.
harm a-m36 emptied
run
  latch replacing=a-m36(DataEmptied) removing=a-m36
  memberRemove a-m36
  delete StatefulSet a-m36
  volume data-a-m36 detach DataEmptied
  latch removing=-
  latch joining=a-m103
  create PersistentVolumeClaim data-a-m103
  memberAdd a-m103
  volume data-a-m103 joinOrder a-m103=http://a-m103-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m103
  memberPromote a-m103
  latch replacing=-
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m103 a-m2* a-m58
# The seed is not special. It has nobody to ask: 70, and no second cluster is formed.
harm a-m2 emptied
run
  latch replacing=a-m2(DataEmptied) removing=a-m2
  memberRemove a-m2
  delete StatefulSet a-m2
  volume data-a-m2 detach DataEmptied
  latch removing=-
  latch joining=a-m150
  create PersistentVolumeClaim data-a-m150
  memberAdd a-m150
  volume data-a-m150 joinOrder a-m103=http://a-m103-0.a-peer.ns.svc:2380,a-m150=http://a-m150-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m150
  memberPromote a-m150
  latch replacing=-
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m103 a-m150 a-m58*

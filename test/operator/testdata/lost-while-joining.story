# A learner that is lost gives way to another: it never had a vote, and its data was a copy.
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
edit {replicas: 4}
steps 7
  apply PodDisruptionBudget a minAvailable=3
  latch joining=a-m90
  create PersistentVolumeClaim data-a-m90
  memberAdd a-m90
  volume data-a-m90 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380,a-m90=http://a-m90-0.a-peer.ns.svc:2380
  apply StatefulSet a-m90
harm learner volume-gone
run
  latch removing=a-m90 joining=-
  memberRemove a-m90
  delete StatefulSet a-m90
  latch removing=-
  latch joining=a-m118
  create PersistentVolumeClaim data-a-m118
  memberAdd a-m118
  volume data-a-m118 joinOrder a-m118=http://a-m118-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m118
  memberPromote a-m118
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m118 a-m2* a-m36 a-m58
# Emptied after it had joined: the server refuses to come back as the same learner.
edit {replicas: 5}
steps 6
  latch joining=a-m148
  create PersistentVolumeClaim data-a-m148
  memberAdd a-m148
  volume data-a-m148 joinOrder a-m118=http://a-m118-0.a-peer.ns.svc:2380,a-m148=http://a-m148-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m148
harm learner emptied
run
  latch removing=a-m148 joining=-
  memberRemove a-m148
  delete StatefulSet a-m148
  delete PersistentVolumeClaim data-a-m148
  latch removing=-
  latch joining=a-m180
  create PersistentVolumeClaim data-a-m180
  memberAdd a-m180
  volume data-a-m180 joinOrder a-m118=http://a-m118-0.a-peer.ns.svc:2380,a-m180=http://a-m180-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m180
  memberPromote a-m180
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m118 a-m180 a-m2* a-m36 a-m58
# Foreign data on a learner's volume is somebody's: that volume is kept.
edit {replicas: 6}
steps 7
  apply PodDisruptionBudget a minAvailable=4
  latch joining=a-m212
  create PersistentVolumeClaim data-a-m212
  memberAdd a-m212
  volume data-a-m212 joinOrder a-m118=http://a-m118-0.a-peer.ns.svc:2380,a-m180=http://a-m180-0.a-peer.ns.svc:2380,a-m212=http://a-m212-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m212
harm learner ends-with 78
run
  latch removing=a-m212 joining=- replacing=a-m212(DataForeign)
  memberRemove a-m212
  delete StatefulSet a-m212
  volume data-a-m212 detach DataForeign
  latch removing=-
  latch joining=a-m245
  create PersistentVolumeClaim data-a-m245
  memberAdd a-m245
  volume data-a-m245 joinOrder a-m118=http://a-m118-0.a-peer.ns.svc:2380,a-m180=http://a-m180-0.a-peer.ns.svc:2380,a-m245=http://a-m245-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m245
  memberPromote a-m245
  latch replacing=-
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m118 a-m180 a-m2* a-m245 a-m36 a-m58
# A voter that is lost while a learner joins is removed first: the quorum shrinks with it.
edit {replicas: 7}
steps 6
  latch joining=a-m277
  create PersistentVolumeClaim data-a-m277
  memberAdd a-m277
  volume data-a-m277 joinOrder a-m118=http://a-m118-0.a-peer.ns.svc:2380,a-m180=http://a-m180-0.a-peer.ns.svc:2380,a-m245=http://a-m245-0.a-peer.ns.svc:2380,a-m277=http://a-m277-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m277
harm leader volume-gone
run
  latch replacing=a-m2(VolumeGone) removing=a-m2
  memberRemove a-m2
  delete StatefulSet a-m2
  latch removing=-
  memberPromote a-m277
  latch joining=-
  latch joining=a-m309
  create PersistentVolumeClaim data-a-m309
  memberAdd a-m309
  volume data-a-m309 joinOrder a-m118=http://a-m118-0.a-peer.ns.svc:2380,a-m180=http://a-m180-0.a-peer.ns.svc:2380,a-m245=http://a-m245-0.a-peer.ns.svc:2380,a-m277=http://a-m277-0.a-peer.ns.svc:2380,a-m309=http://a-m309-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m309
  memberPromote a-m309
  latch replacing=-
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m118 a-m180 a-m245 a-m277 a-m309 a-m36* a-m58

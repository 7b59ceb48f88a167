# Two of five at once: one after the other, both before any new member is added.
create {replicas: 5}
run
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=3
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
  latch joining=a-m80
  create PersistentVolumeClaim data-a-m80
  memberAdd a-m80
  volume data-a-m80 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380,a-m80=http://a-m80-0.a-peer.ns.svc:2380
  apply StatefulSet a-m80
  memberPromote a-m80
  latch joining=-
  latch joining=a-m102
  create PersistentVolumeClaim data-a-m102
  memberAdd a-m102
  volume data-a-m102 joinOrder a-m102=http://a-m102-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380,a-m80=http://a-m80-0.a-peer.ns.svc:2380
  apply StatefulSet a-m102
  memberPromote a-m102
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m102 a-m2* a-m36 a-m58 a-m80
harm a-m36 ends-with 77
harm a-m58 volume-gone
run
  latch replacing=a-m58(VolumeGone) removing=a-m58
  memberRemove a-m58
  delete StatefulSet a-m58
  latch removing=-
  latch replacing=a-m36(DataDamaged) removing=a-m36
  memberRemove a-m36
  delete StatefulSet a-m36
  volume data-a-m36 detach DataDamaged
  latch removing=-
  latch joining=a-m155
  create PersistentVolumeClaim data-a-m155
  memberAdd a-m155
  volume data-a-m155 joinOrder a-m102=http://a-m102-0.a-peer.ns.svc:2380,a-m155=http://a-m155-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m80=http://a-m80-0.a-peer.ns.svc:2380
  apply StatefulSet a-m155
  memberPromote a-m155
  latch joining=-
  latch joining=a-m177
  create PersistentVolumeClaim data-a-m177
  memberAdd a-m177
  volume data-a-m177 joinOrder a-m102=http://a-m102-0.a-peer.ns.svc:2380,a-m155=http://a-m155-0.a-peer.ns.svc:2380,a-m177=http://a-m177-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m80=http://a-m80-0.a-peer.ns.svc:2380
  apply StatefulSet a-m177
  memberPromote a-m177
  latch replacing=-
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m102 a-m155 a-m177 a-m2* a-m80
# Two of three: no quorum, so nothing is removed. The member that was only away comes back, and
# with it the quorum that the lost one needs to be replaced.
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
harm a-m2 emptied
harm a-m58 node-off 9999
run
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m2! a-m36! a-m58!
  = no quorum of 3 members answers; not healthy: a-m2 (CrashLoopBackOff), a-m36, a-m58
harm a-m58 node-on
run
  latch replacing=a-m2(DataEmptied) removing=a-m2
  memberRemove a-m2
  delete StatefulSet a-m2
  volume data-a-m2 detach DataEmptied
  latch removing=-
  latch joining=a-m111
  create PersistentVolumeClaim data-a-m111
  memberAdd a-m111
  volume data-a-m111 joinOrder a-m111=http://a-m111-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m111
  memberPromote a-m111
  latch replacing=-
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m111 a-m36* a-m58

# Every pod and volume is gone at once; the old life has nothing left, and the restore goes the same way.
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
lose-everything
run
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m2! a-m36! a-m58!
  = no quorum of 3 members answers; not healthy: a-m2 (Unschedulable), a-m36 (Unschedulable), a-m58 (Unschedulable)
restores 1100
restore r1
run
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m99
  create Job a-m99-init
  volume data-a-m99 joinOrder a-m99=http://a-m99-0.a-peer.ns.svc:2380
  latch transition=Restore/Validating
  apply PodDisruptionBudget a minAvailable=3
  apply StatefulSet a-m99
  latch transition=Restore/Switching
  apply PodDisruptionBudget a minAvailable=2
  delete StatefulSet a-m2
  delete StatefulSet a-m36
  delete StatefulSet a-m58
  latch clusterToken=token98 clusterID=c2 seed=a-m99 joining=- removing=- replacing=- incident=- transition=Restore/Growing
  apply Service a-client
  delete Job a-m99-init
  latch joining=a-m142
  create PersistentVolumeClaim data-a-m142
  memberAdd a-m142
  volume data-a-m142 joinOrder a-m142=http://a-m142-0.a-peer.ns.svc:2380,a-m99=http://a-m99-0.a-peer.ns.svc:2380
  apply StatefulSet a-m142
  memberPromote a-m142
  latch joining=-
  latch joining=a-m164
  create PersistentVolumeClaim data-a-m164
  memberAdd a-m164
  volume data-a-m164 joinOrder a-m142=http://a-m142-0.a-peer.ns.svc:2380,a-m164=http://a-m164-0.a-peer.ns.svc:2380,a-m99=http://a-m99-0.a-peer.ns.svc:2380
  apply StatefulSet a-m164
  memberPromote a-m164
  latch joining=-
  latch transition=Restore/Completed
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m142 a-m164 a-m99*
  = restore Completed: 3 members serve; HashKV at revision 1100 is one
volumes
  = data-a-m99 of token98
  = data-a-m142 of token98
  = data-a-m164 of token98

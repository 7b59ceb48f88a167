# Members of the new life that do not hold the same: told, and not said to be complete.
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
restores 1100
restore r1
steps 25
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m88
  create Job a-m88-init
  volume data-a-m88 joinOrder a-m88=http://a-m88-0.a-peer.ns.svc:2380
  latch transition=Restore/Validating
  apply PodDisruptionBudget a minAvailable=3
  apply StatefulSet a-m88
  latch transition=Restore/Switching
  apply PodDisruptionBudget a minAvailable=2
  delete StatefulSet a-m2
  delete StatefulSet a-m36
  delete StatefulSet a-m58
  latch clusterToken=token87 clusterID=c2 seed=a-m88 joining=- removing=- replacing=- incident=- transition=Restore/Growing
  apply Service a-client
  volume data-a-m2 detach
  volume data-a-m36 detach
  volume data-a-m58 detach
  delete Job a-m88-init
  latch joining=a-m140
  create PersistentVolumeClaim data-a-m140
  memberAdd a-m140
  volume data-a-m140 joinOrder a-m140=http://a-m140-0.a-peer.ns.svc:2380,a-m88=http://a-m88-0.a-peer.ns.svc:2380
odd
run
  apply StatefulSet a-m140
  memberPromote a-m140
  latch joining=-
  latch joining=a-m162
  create PersistentVolumeClaim data-a-m162
  memberAdd a-m162
  volume data-a-m162 joinOrder a-m140=http://a-m140-0.a-peer.ns.svc:2380,a-m162=http://a-m162-0.a-peer.ns.svc:2380,a-m88=http://a-m88-0.a-peer.ns.svc:2380
  apply StatefulSet a-m162
  memberPromote a-m162
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=True(Restoring) Degraded=True(HashMismatch)
  = members a-m140 a-m162 a-m88*
  = look before you write: HashKV at revision 1100 differs between members (a-m88 1, a-m140 2, a-m162 1); the old volumes are kept, labelled quoin.dev/detached-from
  = restore Growing: a-m88 is the cluster now: the other members are added
even
run
  latch transition=Restore/Completed
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m140 a-m162 a-m88*
  = restore Completed: 3 members serve; HashKV at revision 1100 is one

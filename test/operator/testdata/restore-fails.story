# A backup that is not what it should be: the cluster serves on, what was made is taken away again.
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
restores HashMismatch
restore r1
run
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m88
  create Job a-m88-init
  latch transition=Restore/Failed
  delete Job a-m88-init
  delete PersistentVolumeClaim data-a-m88
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m36 a-m58
  = restore Failed: The stored object is not what it should be. The cluster was not changed; make a new request when the cause is gone.
volumes
  = data-a-m2 of token1
  = data-a-m36 of token1
  = data-a-m58 of token1
# Less than what was recorded answers: not believed either.
restores 7
restore r2
run
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m113
  create Job a-m113-init
  volume data-a-m113 joinOrder a-m113=http://a-m113-0.a-peer.ns.svc:2380
  latch transition=Restore/Validating
  apply PodDisruptionBudget a minAvailable=3
  apply StatefulSet a-m113
  latch transition=Restore/Failed
  apply PodDisruptionBudget a minAvailable=2
  delete StatefulSet a-m113
  delete Job a-m113-init
  delete PersistentVolumeClaim data-a-m113
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m36 a-m58
  = restore Failed: a-m113: it is at revision 7, but 1100 was restored. The cluster was not changed; make a new request when the cause is gone.
volumes
  = data-a-m2 of token1
  = data-a-m36 of token1
  = data-a-m58 of token1
# A storage that may come back is waited for, and the serving cluster is tended meanwhile.
restores DestinationUnreachable
restore r3
edit {etcdOptions: {snapshotCount: 7}}
run
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m156
  create Job a-m156-init
  apply StatefulSet a-m36
  delete Pod a-m36-0
  apply StatefulSet a-m58
  delete Pod a-m58-0
  apply StatefulSet a-m2
  moveLeader a-m2 -> a-m36
  delete Pod a-m2-0
  = Available=True(QuorumHealthy) Progressing=True(Restoring) Degraded=True(RestoreFailed)
  = members a-m2 a-m36* a-m58
  = DestinationUnreachable: The stored object is not what it should be. Nothing was formed and the backup is untouched; to try again at once delete Job a-m156-init.
  = restore Restoring: restore asked for by ns/r3/uid-r3 begins with a-m156
restores 1100
run
  volume data-a-m156 joinOrder a-m156=http://a-m156-0.a-peer.ns.svc:2380
  latch transition=Restore/Validating
  apply PodDisruptionBudget a minAvailable=3
  apply StatefulSet a-m156
  latch transition=Restore/Switching
  apply PodDisruptionBudget a minAvailable=2
  delete StatefulSet a-m2
  delete StatefulSet a-m36
  delete StatefulSet a-m58
  latch clusterToken=token155 clusterID=c4 seed=a-m156 joining=- removing=- replacing=- incident=- transition=Restore/Growing
  apply Service a-client
  volume data-a-m2 detach
  volume data-a-m36 detach
  volume data-a-m58 detach
  delete Job a-m156-init
  latch joining=a-m237
  create PersistentVolumeClaim data-a-m237
  memberAdd a-m237
  volume data-a-m237 joinOrder a-m156=http://a-m156-0.a-peer.ns.svc:2380,a-m237=http://a-m237-0.a-peer.ns.svc:2380
  apply StatefulSet a-m237
  memberPromote a-m237
  latch joining=-
  latch joining=a-m259
  create PersistentVolumeClaim data-a-m259
  memberAdd a-m259
  volume data-a-m259 joinOrder a-m156=http://a-m156-0.a-peer.ns.svc:2380,a-m237=http://a-m237-0.a-peer.ns.svc:2380,a-m259=http://a-m259-0.a-peer.ns.svc:2380
  apply StatefulSet a-m259
  memberPromote a-m259
  latch joining=-
  latch transition=Restore/Completed
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m156* a-m237 a-m259
  = restore Completed: 3 members serve; HashKV at revision 1100 is one
volumes
  = data-a-m2 of token1, detached
  = data-a-m36 of token1, detached
  = data-a-m58 of token1, detached
  = data-a-m156 of token155
  = data-a-m237 of token155
  = data-a-m259 of token155

# Once taken, the request may be deleted, another one may be ready, the user may pause: one restore goes on.
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
restores 1100
restore r1
steps 2
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m44
restore
edit {paused: true}
run
  = Available=True(QuorumHealthy) Progressing=False(Paused) Degraded=False(AsExpected)
  = members a-m2*
  = restore Restoring: restore asked for by ns/r1/uid-r1 begins with a-m44
edit {paused: false}
restore r2
run
  create Job a-m44-init
  volume data-a-m44 joinOrder a-m44=http://a-m44-0.a-peer.ns.svc:2380
  latch transition=Restore/Validating
  apply PodDisruptionBudget a minAvailable=2
  apply StatefulSet a-m44
  latch transition=Restore/Switching
  apply PodDisruptionBudget a minAvailable=1
  delete StatefulSet a-m2
  latch clusterToken=token43 clusterID=c2 seed=a-m44 joining=- removing=- replacing=- incident=- transition=Restore/Growing
  apply Service a-client
  volume data-a-m2 detach
  delete Job a-m44-init
  latch transition=Restore/Completed
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m96
  create Job a-m96-init
  volume data-a-m96 joinOrder a-m96=http://a-m96-0.a-peer.ns.svc:2380
  latch transition=Restore/Validating
  apply PodDisruptionBudget a minAvailable=2
  apply StatefulSet a-m96
  latch transition=Restore/Switching
  apply PodDisruptionBudget a minAvailable=1
  delete StatefulSet a-m44
  latch clusterToken=token95 clusterID=c3 seed=a-m96 joining=- removing=- replacing=- incident=- transition=Restore/Growing
  apply Service a-client
  volume data-a-m44 detach
  delete Job a-m96-init
  latch transition=Restore/Completed
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m96*
  = restore Completed: 1 members serve; HashKV at revision 1100 is one

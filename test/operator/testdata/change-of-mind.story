# Scaled up and back before the learner could vote.
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
freeze
edit {replicas: 3}
steps 6
  apply PodDisruptionBudget a minAvailable=2
  latch joining=a-m46
  create PersistentVolumeClaim data-a-m46
  memberAdd a-m46
  volume data-a-m46 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m46=http://a-m46-0.a-peer.ns.svc:2380
  apply StatefulSet a-m46
edit {replicas: 1}
thaw
run
  apply PodDisruptionBudget a minAvailable=1
  latch removing=a-m46 joining=-
  memberRemove a-m46
  delete StatefulSet a-m46
  delete PersistentVolumeClaim data-a-m46
  latch removing=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*

# Volumes kept on scaling down leave the name; growing and owning volumes come last.
create {replicas: 2, storage: {size: 1Gi, retentionPolicy: {whenScaled: Retain}}}
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
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m36
edit {replicas: 1}
run
  latch removing=a-m36
  memberRemove a-m36
  apply PodDisruptionBudget a minAvailable=1
  delete StatefulSet a-m36
  volume data-a-m36 detach
  latch removing=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
edit {storage: {size: 2Gi, retentionPolicy: {whenDeleted: Delete}}}
run
  volume data-a-m2 grow 2Gi
  volume data-a-m2 own true
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*

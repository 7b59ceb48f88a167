# A restored seed that never answers: after half an hour the restore gives up, the old life was never touched.
# While both lives run, evictions leave one more pod alone than the quorum needs.
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
steps 8
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m88
  create Job a-m88-init
  volume data-a-m88 joinOrder a-m88=http://a-m88-0.a-peer.ns.svc:2380
  latch transition=Restore/Validating
  apply PodDisruptionBudget a minAvailable=3
  apply StatefulSet a-m88
freeze
run
  = Available=True(QuorumHealthy) Progressing=True(Restoring) Degraded=False(AsExpected)
  = members a-m2* a-m36 a-m58
  = restore Validating: a-m88 has its data: it is started alone and looked at
wait 1801
run
  latch transition=Restore/Failed
  apply PodDisruptionBudget a minAvailable=2
  delete StatefulSet a-m88
  delete Job a-m88-init
  delete PersistentVolumeClaim data-a-m88
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m36 a-m58
  = restore Failed: a-m88: it does not answer. The cluster was not changed; make a new request when the cause is gone.
thaw
run
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m36 a-m58
  = restore Failed: a-m88: it does not answer. The cluster was not changed; make a new request when the cause is gone.
volumes
  = data-a-m2 of token1
  = data-a-m36 of token1
  = data-a-m58 of token1

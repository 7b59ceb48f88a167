# A silent node is waited for; a dead one is not, and its pod is never force-deleted.
create {replicas: 3, repair: {gracePeriod: 5m}}
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
harm a-m36 node-off 60
run
  = Available=True(QuorumHealthy) Progressing=True(WaitingForMembers) Degraded=True(NodeUnreachable)
  = members a-m2* a-m36! a-m58
  = the node of a-m36 has not answered since 2025-12-31T23:00:00Z: if it stays away until 2025-12-31T23:05:00Z (spec.repair.gracePeriod) the member is replaced; 2 of 3 members serve
harm a-m36 node-off 400
run
  latch replacing=a-m36(NodeDead) removing=a-m36
  memberRemove a-m36
  delete StatefulSet a-m36
  volume data-a-m36 detach NodeDead
  latch removing=-
  latch joining=a-m107
  create PersistentVolumeClaim data-a-m107
  memberAdd a-m107
  volume data-a-m107 joinOrder a-m107=http://a-m107-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380
  apply StatefulSet a-m107
  memberPromote a-m107
  latch replacing=-
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m107 a-m2* a-m58
# The node returns: its pod ends at last.
harm a-m36 node-on
run
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m107 a-m2* a-m58

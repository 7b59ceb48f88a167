# Members that were only away come back before anybody consents: the incident is over, its consent void.
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
harm a-m2 node-off 300
harm a-m36 node-off 300
run
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m2! a-m36! a-m58!
  = no quorum of 3 members answers; not healthy: a-m2, a-m36, a-m58
wait 25
run
  latch incident={}
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m2! a-m36! a-m58!
  = Incident token9: no quorum of 3 members since 2026-01-01T00:00:00Z, so nothing is written. Nothing is known to be destroyed. Answering: a-m58 (log up to term 2 index 10, revision 5). May be alive: a-m2 (its node is silent since 2025-12-31T23:00:00Z; log up to term 2 index 10, revision 5), a-m36 (its node is silent since 2025-12-31T23:00:00Z; log up to term 2 index 10, revision 5). Bringing back the members that may be alive returns the quorum without any loss. Recovery would keep a-m58 with its whole log (log up to term 2 index 10, revision 5); writes that only the others held are lost; none is known of. To consent, once the members that may be alive are given up: kubectl -n ns patch etcdcluster a --type=merge -p '{"spec":{"quorumRecovery":{"incident":"token9"}}}'
harm a-m2 node-on
run
  latch incident=-
  = Available=True(QuorumHealthy) Progressing=True(WaitingForMembers) Degraded=True(NodeUnreachable)
  = members a-m2* a-m36! a-m58
  = the node of a-m36 has not answered since 2025-12-31T23:00:00Z: if it stays away until 2025-12-31T23:10:00Z (spec.repair.gracePeriod) the member is replaced; 2 of 3 members serve
edit {quorumRecovery: {incident: token74}}
run
  = Available=True(QuorumHealthy) Progressing=True(WaitingForMembers) Degraded=True(NodeUnreachable)
  = members a-m2* a-m36! a-m58
  = the node of a-m36 has not answered since 2025-12-31T23:00:00Z: if it stays away until 2025-12-31T23:10:00Z (spec.repair.gracePeriod) the member is replaced; 2 of 3 members serve

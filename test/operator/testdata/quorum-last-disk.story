# The last disk that is left is taken over, and its node dies: there is no other one to name, so what is left is a backup.
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
harm a-m36 volume-gone
harm a-m58 volume-gone
run
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m2! a-m36! a-m58!
  = no quorum of 3 members answers; not healthy: a-m2, a-m36 (Unschedulable), a-m58 (Unschedulable)
wait 25
run
  latch incident={}
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m2! a-m36! a-m58!
  = Incident token9: no quorum of 3 members since 2026-01-01T00:00:00Z, so nothing is written. Destroyed: a-m36 (its volume claim is gone; log up to term 2 index 10, revision 5), a-m58 (its volume claim is gone; log up to term 2 index 10, revision 5). Answering: a-m2 (log up to term 2 index 10, revision 5). Recovery would keep a-m2 with its whole log (log up to term 2 index 10, revision 5); writes that only the others held are lost; none is known of. To consent: kubectl -n ns patch etcdcluster a --type=merge -p '{"spec":{"quorumRecovery":{"incident":"token9"}}}'
consent
steps 16
  latch recoveredIncidents={} transition=Recovery/PreFlight
  delete StatefulSet a-m2
  delete StatefulSet a-m36
  delete StatefulSet a-m58
  create Job a-m2-inspect
  latch incident={} transition=Recovery/Restoring
  delete Job a-m2-inspect
  volume data-a-m2 assign a-m108 token107 d056e29ae2f6eec8
  create Job a-m108-init
  volume data-a-m2 joinOrder a-m108=http://a-m108-0.a-peer.ns.svc:2380
  latch transition=Recovery/Validating
  apply StatefulSet a-m108
harm seed node-off 300
run
  = Available=False(QuorumLost) Progressing=True(Recovering) Degraded=True(QuorumLost)
  = members a-m2! a-m36! a-m58!
  = Incident token9 is being recovered from: a-m108 has its data: it is started alone and looked at. No other disk is left: should it or its node fail for good, restore a backup into a new EtcdCluster, then delete this one
  = recovery Validating: a-m108 has its data: it is started alone and looked at

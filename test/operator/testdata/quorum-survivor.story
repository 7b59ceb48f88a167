# Five members; two volumes gone, one node dead. Disks are read and ranked by (term, index). The survivor
# that was named is not the best: it is taken, and what is given up is told. Its volume's members never rejoin.
create {replicas: 5}
run
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=3
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
  latch joining=a-m80
  create PersistentVolumeClaim data-a-m80
  memberAdd a-m80
  volume data-a-m80 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380,a-m80=http://a-m80-0.a-peer.ns.svc:2380
  apply StatefulSet a-m80
  memberPromote a-m80
  latch joining=-
  latch joining=a-m102
  create PersistentVolumeClaim data-a-m102
  memberAdd a-m102
  volume data-a-m102 joinOrder a-m102=http://a-m102-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380,a-m80=http://a-m80-0.a-peer.ns.svc:2380
  apply StatefulSet a-m102
  memberPromote a-m102
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m102 a-m2* a-m36 a-m58 a-m80
harm a-m2 log 3 20
harm a-m36 log 3 25
harm a-m58 log 2 99
harm a-m80 volume-gone
harm a-m102 volume-gone
harm a-m58 node-off 300
run
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m102! a-m2! a-m36! a-m58! a-m80!
  = no quorum of 5 members answers; not healthy: a-m102 (Unschedulable), a-m2, a-m36, a-m58, a-m80 (Unschedulable)
wait 25
run
  latch incident={}
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m102! a-m2! a-m36! a-m58! a-m80!
  = Incident token1: no quorum of 5 members since 2026-01-01T00:00:00Z, so nothing is written. Destroyed: a-m102 (its volume claim is gone; log up to term 2 index 10, revision 5), a-m80 (its volume claim is gone; log up to term 2 index 10, revision 5). Answering: a-m2 (log up to term 3 index 20, revision 15), a-m36 (log up to term 3 index 25, revision 20). May be alive: a-m58 (its node is silent since 2025-12-31T23:00:00Z; log up to term 2 index 10, revision 5). Bringing back the members that may be alive returns the quorum without any loss. Recovery would keep a-m36 with its whole log (log up to term 3 index 25, revision 20); writes that only the others held are lost; none is known of. To consent, once the members that may be alive are given up: kubectl -n ns patch etcdcluster a --type=merge -p '{"spec":{"quorumRecovery":{"incident":"token1"}}}'
consent {survivor: a-m80}
run
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m102! a-m2! a-m36! a-m58! a-m80!
  = spec.quorumRecovery.survivor a-m80 has no volume left; choose one of a-m2, a-m36, a-m58, or none. Incident token1: no quorum of 5 members since 2026-01-01T00:00:00Z, so nothing is written. Destroyed: a-m102 (its volume claim is gone; log up to term 2 index 10, revision 5), a-m80 (its volume claim is gone; log up to term 2 index 10, revision 5). Answering: a-m2 (log up to term 3 index 20, revision 15), a-m36 (log up to term 3 index 25, revision 20). May be alive: a-m58 (its node is silent since 2025-12-31T23:00:00Z; log up to term 2 index 10, revision 5). Bringing back the members that may be alive returns the quorum without any loss. Recovery would keep a-m36 with its whole log (log up to term 3 index 25, revision 20); writes that only the others held are lost; none is known of. To consent, once the members that may be alive are given up: kubectl -n ns patch etcdcluster a --type=merge -p '{"spec":{"quorumRecovery":{"incident":"token1"}}}'
consent {survivor: a-m2}
run
  latch recoveredIncidents={} transition=Recovery/PreFlight
  delete StatefulSet a-m102
  delete StatefulSet a-m2
  delete StatefulSet a-m36
  delete StatefulSet a-m58
  delete StatefulSet a-m80
  create Job a-m2-inspect
  create Job a-m36-inspect
  latch incident={} transition=Recovery/Restoring
  delete Job a-m2-inspect
  delete Job a-m36-inspect
  volume data-a-m2 assign a-m160 token159 d056e29ae2f6eec8
  create Job a-m160-init
  volume data-a-m2 joinOrder a-m160=http://a-m160-0.a-peer.ns.svc:2380
  latch transition=Recovery/Validating
  apply StatefulSet a-m160
  latch transition=Recovery/Switching
  latch clusterToken=token159 clusterID=c2 seed=a-m160 joining=- removing=- replacing=- incident=- transition=Recovery/Growing
  apply Service a-client
  volume data-a-m36 detach
  volume data-a-m58 detach
  delete Job a-m160-init
  latch joining=a-m222
  create PersistentVolumeClaim data-a-m222
  memberAdd a-m222
  volume data-a-m222 joinOrder a-m160=http://a-m160-0.a-peer.ns.svc:2380,a-m222=http://a-m222-0.a-peer.ns.svc:2380
  apply StatefulSet a-m222
  memberPromote a-m222
  latch joining=-
  latch joining=a-m244
  create PersistentVolumeClaim data-a-m244
  memberAdd a-m244
  volume data-a-m244 joinOrder a-m160=http://a-m160-0.a-peer.ns.svc:2380,a-m222=http://a-m222-0.a-peer.ns.svc:2380,a-m244=http://a-m244-0.a-peer.ns.svc:2380
  apply StatefulSet a-m244
  memberPromote a-m244
  latch joining=-
  latch joining=a-m266
  create PersistentVolumeClaim data-a-m266
  memberAdd a-m266
  volume data-a-m266 joinOrder a-m160=http://a-m160-0.a-peer.ns.svc:2380,a-m222=http://a-m222-0.a-peer.ns.svc:2380,a-m244=http://a-m244-0.a-peer.ns.svc:2380,a-m266=http://a-m266-0.a-peer.ns.svc:2380
  apply StatefulSet a-m266
  memberPromote a-m266
  latch joining=-
  latch joining=a-m288
  create PersistentVolumeClaim data-a-m288
  memberAdd a-m288
  volume data-a-m288 joinOrder a-m160=http://a-m160-0.a-peer.ns.svc:2380,a-m222=http://a-m222-0.a-peer.ns.svc:2380,a-m244=http://a-m244-0.a-peer.ns.svc:2380,a-m266=http://a-m266-0.a-peer.ns.svc:2380,a-m288=http://a-m288-0.a-peer.ns.svc:2380
  apply StatefulSet a-m288
  memberPromote a-m288
  latch joining=-
  latch transition=Recovery/Completed
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m160* a-m222 a-m244 a-m266 a-m288
  = recovery Completed: 5 members serve; HashKV at revision 1 is one

# Two of three volumes are gone. Nothing happens until the consent quotes the incident; then the one
# disk that is left becomes a cluster with a new token, and grows.
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
harm a-m2 log 2 12
harm a-m2 volume-gone
harm a-m36 volume-gone
run
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m2! a-m36! a-m58!
  = no quorum of 3 members answers; not healthy: a-m2 (Unschedulable), a-m36 (Unschedulable), a-m58
wait 25
run
  latch incident={}
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m2! a-m36! a-m58!
  = Incident token9: no quorum of 3 members since 2026-01-01T00:00:00Z, so nothing is written. Destroyed: a-m2 (its volume claim is gone; log up to term 2 index 10, revision 5), a-m36 (its volume claim is gone; log up to term 2 index 10, revision 5). Answering: a-m58 (log up to term 2 index 10, revision 5). Recovery would keep a-m58 with its whole log (log up to term 2 index 10, revision 5); writes that only the others held are lost; none is known of. To consent: kubectl -n ns patch etcdcluster a --type=merge -p '{"spec":{"quorumRecovery":{"incident":"token9"}}}'
edit {quorumRecovery: {incident: guess}}
run
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m2! a-m36! a-m58!
  = spec.quorumRecovery quotes incident guess, which is not the present one; the present one is token9, and nothing is done. Incident token9: no quorum of 3 members since 2026-01-01T00:00:00Z, so nothing is written. Destroyed: a-m2 (its volume claim is gone; log up to term 2 index 10, revision 5), a-m36 (its volume claim is gone; log up to term 2 index 10, revision 5). Answering: a-m58 (log up to term 2 index 10, revision 5). Recovery would keep a-m58 with its whole log (log up to term 2 index 10, revision 5); writes that only the others held are lost; none is known of. To consent: kubectl -n ns patch etcdcluster a --type=merge -p '{"spec":{"quorumRecovery":{"incident":"token9"}}}'
consent
run
  latch recoveredIncidents={} transition=Recovery/PreFlight
  delete StatefulSet a-m2
  delete StatefulSet a-m36
  delete StatefulSet a-m58
  create Job a-m58-inspect
  latch incident={} transition=Recovery/Restoring
  delete Job a-m58-inspect
  volume data-a-m58 assign a-m116 token115 591836e9ffd33afb
  create Job a-m116-init
  volume data-a-m58 joinOrder a-m116=http://a-m116-0.a-peer.ns.svc:2380
  latch transition=Recovery/Validating
  apply StatefulSet a-m116
  latch transition=Recovery/Switching
  latch clusterToken=token115 clusterID=c2 seed=a-m116 joining=- removing=- replacing=- incident=- transition=Recovery/Growing
  apply Service a-client
  delete Job a-m116-init
  latch joining=a-m163
  create PersistentVolumeClaim data-a-m163
  memberAdd a-m163
  volume data-a-m163 joinOrder a-m116=http://a-m116-0.a-peer.ns.svc:2380,a-m163=http://a-m163-0.a-peer.ns.svc:2380
  apply StatefulSet a-m163
  memberPromote a-m163
  latch joining=-
  latch joining=a-m185
  create PersistentVolumeClaim data-a-m185
  memberAdd a-m185
  volume data-a-m185 joinOrder a-m116=http://a-m116-0.a-peer.ns.svc:2380,a-m163=http://a-m163-0.a-peer.ns.svc:2380,a-m185=http://a-m185-0.a-peer.ns.svc:2380
  apply StatefulSet a-m185
  memberPromote a-m185
  latch joining=-
  latch transition=Recovery/Completed
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m116* a-m163 a-m185
  = recovery Completed: 3 members serve; HashKV at revision 1 is one

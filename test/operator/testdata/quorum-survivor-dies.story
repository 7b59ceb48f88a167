# The survivor's node dies after its volume was taken over. The same consent, naming another member whose
# disk is left, begins again with that one; the first one's volume is kept aside.
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
harm a-m58 log 3 25
harm a-m36 log 3 20
harm a-m80 volume-gone
harm a-m102 volume-gone
harm a-m2 volume-gone
run
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m102! a-m2! a-m36! a-m58! a-m80!
  = no quorum of 5 members answers; not healthy: a-m102 (Unschedulable), a-m2 (Unschedulable), a-m36, a-m58, a-m80 (Unschedulable)
wait 25
run
  latch incident={}
  = Available=False(QuorumLost) Progressing=True(WaitingForQuorum) Degraded=True(QuorumLost)
  = members a-m102! a-m2! a-m36! a-m58! a-m80!
  = Incident token1: no quorum of 5 members since 2026-01-01T00:00:00Z, so nothing is written. Destroyed: a-m102 (its volume claim is gone; log up to term 2 index 10, revision 5), a-m2 (its volume claim is gone; log up to term 2 index 10, revision 5), a-m80 (its volume claim is gone; log up to term 2 index 10, revision 5). Answering: a-m36 (log up to term 3 index 20, revision 15), a-m58 (log up to term 3 index 25, revision 20). Recovery would keep a-m58 with its whole log (log up to term 3 index 25, revision 20); writes that only the others held are lost; none is known of. To consent: kubectl -n ns patch etcdcluster a --type=merge -p '{"spec":{"quorumRecovery":{"incident":"token1"}}}'
consent
steps 20
  latch recoveredIncidents={} transition=Recovery/PreFlight
  delete StatefulSet a-m102
  delete StatefulSet a-m2
  delete StatefulSet a-m36
  delete StatefulSet a-m58
  delete StatefulSet a-m80
  create Job a-m36-inspect
  create Job a-m58-inspect
  latch incident={} transition=Recovery/Restoring
  delete Job a-m36-inspect
  delete Job a-m58-inspect
  volume data-a-m58 assign a-m153 token152 591836e9ffd33afb
  create Job a-m153-init
  volume data-a-m58 joinOrder a-m153=http://a-m153-0.a-peer.ns.svc:2380
  latch transition=Recovery/Validating
  apply StatefulSet a-m153
harm seed node-off 300
run
  = Available=False(QuorumLost) Progressing=True(Recovering) Degraded=True(QuorumLost)
  = members a-m102! a-m2! a-m36! a-m58! a-m80!
  = Incident token1 is being recovered from: a-m153 has its data: it is started alone and looked at. Should its disk or node fail, name another one in spec.quorumRecovery.survivor: a-m36
  = recovery Validating: a-m153 has its data: it is started alone and looked at
consent {survivor: a-m36}
run
  latch transition=Recovery/PreFlight
  volume data-a-m58 detach
  delete StatefulSet a-m153
  create Job a-m36-inspect
  latch incident={} transition=Recovery/Restoring
  delete Job a-m36-inspect
  volume data-a-m36 assign a-m209 token208 13eb2df9b63e921a
  create Job a-m209-init
  volume data-a-m36 joinOrder a-m209=http://a-m209-0.a-peer.ns.svc:2380
  latch transition=Recovery/Validating
  apply StatefulSet a-m209
  latch transition=Recovery/Switching
  latch clusterToken=token208 clusterID=c3 seed=a-m209 joining=- removing=- replacing=- incident=- transition=Recovery/Growing
  apply Service a-client
  delete Job a-m153-init
  delete Job a-m209-init
  latch joining=a-m255
  create PersistentVolumeClaim data-a-m255
  memberAdd a-m255
  volume data-a-m255 joinOrder a-m209=http://a-m209-0.a-peer.ns.svc:2380,a-m255=http://a-m255-0.a-peer.ns.svc:2380
  apply StatefulSet a-m255
  memberPromote a-m255
  latch joining=-
  latch joining=a-m277
  create PersistentVolumeClaim data-a-m277
  memberAdd a-m277
  volume data-a-m277 joinOrder a-m209=http://a-m209-0.a-peer.ns.svc:2380,a-m255=http://a-m255-0.a-peer.ns.svc:2380,a-m277=http://a-m277-0.a-peer.ns.svc:2380
  apply StatefulSet a-m277
  memberPromote a-m277
  latch joining=-
  latch joining=a-m299
  create PersistentVolumeClaim data-a-m299
  memberAdd a-m299
  volume data-a-m299 joinOrder a-m209=http://a-m209-0.a-peer.ns.svc:2380,a-m255=http://a-m255-0.a-peer.ns.svc:2380,a-m277=http://a-m277-0.a-peer.ns.svc:2380,a-m299=http://a-m299-0.a-peer.ns.svc:2380
  apply StatefulSet a-m299
  memberPromote a-m299
  latch joining=-
  latch joining=a-m321
  create PersistentVolumeClaim data-a-m321
  memberAdd a-m321
  volume data-a-m321 joinOrder a-m209=http://a-m209-0.a-peer.ns.svc:2380,a-m255=http://a-m255-0.a-peer.ns.svc:2380,a-m277=http://a-m277-0.a-peer.ns.svc:2380,a-m299=http://a-m299-0.a-peer.ns.svc:2380,a-m321=http://a-m321-0.a-peer.ns.svc:2380
  apply StatefulSet a-m321
  memberPromote a-m321
  latch joining=-
  latch transition=Recovery/Completed
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m209* a-m255 a-m277 a-m299 a-m321
  = recovery Completed: 5 members serve; HashKV at revision 1 is one

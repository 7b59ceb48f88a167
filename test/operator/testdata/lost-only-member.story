# The only member's volume is deleted under it: another one gets its data before it leaves.
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
harm a-m2 volume-deleted
run
  apply PodDisruptionBudget a minAvailable=2
  latch joining=a-m46
  create PersistentVolumeClaim data-a-m46
  memberAdd a-m46
  volume data-a-m46 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m46=http://a-m46-0.a-peer.ns.svc:2380
  apply StatefulSet a-m46
  memberPromote a-m46
  latch replacing=a-m2(VolumeDeleted) removing=a-m2
  moveLeader a-m2 -> a-m46
  memberRemove a-m2
  apply PodDisruptionBudget a minAvailable=1
  delete StatefulSet a-m2
  latch removing=-
  latch replacing=-
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m46*
# Where a person decides, growth by hand is the way.
edit {repair: {automatic: false}}
harm leader volume-deleted
run
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=True(MemberLost)
  = members a-m46*
  = member a-m46 is lost: its volume data-a-m46 was deleted, which cannot be taken back; it still serves, so do not end its pod; set spec.repair.automatic to true: then a new member takes its place
edit {replicas: 3}
run
  apply PodDisruptionBudget a minAvailable=2
  latch joining=a-m102
  create PersistentVolumeClaim data-a-m102
  memberAdd a-m102
  volume data-a-m102 joinOrder a-m102=http://a-m102-0.a-peer.ns.svc:2380,a-m46=http://a-m46-0.a-peer.ns.svc:2380
  apply StatefulSet a-m102
  memberPromote a-m102
  latch joining=-
  latch joining=a-m124
  create PersistentVolumeClaim data-a-m124
  memberAdd a-m124
  volume data-a-m124 joinOrder a-m102=http://a-m102-0.a-peer.ns.svc:2380,a-m124=http://a-m124-0.a-peer.ns.svc:2380,a-m46=http://a-m46-0.a-peer.ns.svc:2380
  apply StatefulSet a-m124
  memberPromote a-m124
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=True(MemberLost)
  = members a-m102 a-m124 a-m46*
  = member a-m46 is lost: its volume data-a-m46 was deleted, which cannot be taken back; it still serves, so do not end its pod; set spec.repair.automatic to true, or remove it by hand (etcdctl member remove id53): then a new member takes its place

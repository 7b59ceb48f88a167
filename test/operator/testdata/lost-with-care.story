# What the operator does not do, and says: endanger the quorum, act against repair.automatic, fill the storage.
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
# A member that still serves is not given up while another one is away.
harm a-m36 volume-deleted
harm a-m58 node-off 60
run
  apply PodDisruptionBudget a minAvailable=3
  latch joining=a-m90
  create PersistentVolumeClaim data-a-m90
  memberAdd a-m90
  volume data-a-m90 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m36=http://a-m36-0.a-peer.ns.svc:2380,a-m58=http://a-m58-0.a-peer.ns.svc:2380,a-m90=http://a-m90-0.a-peer.ns.svc:2380
  apply StatefulSet a-m90
  memberPromote a-m90
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=True(WaitingForMembers) Degraded=True(QuorumAtRisk)
  = members a-m2* a-m36 a-m58! a-m90
  = member a-m36 is lost: its volume data-a-m36 was deleted, which cannot be taken back; it still serves and stays until all others do: bring a-m58 back first, and do not end its pod
harm a-m58 node-on
run
  latch replacing=a-m36(VolumeDeleted) removing=a-m36
  memberRemove a-m36
  apply PodDisruptionBudget a minAvailable=2
  delete StatefulSet a-m36
  latch removing=-
  latch replacing=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m58 a-m90
edit {repair: {automatic: false}}
harm a-m58 ends-with 75
run
  = Available=True(QuorumHealthy) Progressing=True(WaitingForMembers) Degraded=True(MemberLost)
  = members a-m2* a-m58! a-m90
  = member a-m58 is lost: its log and its engine do not belong together (exit code 75); set spec.repair.automatic to true, or remove it by hand (etcdctl member remove id65): then a new member takes its place
# Brought back by a person, it stays.
harm a-m58 mended
run
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m58 a-m90
harm a-m58 ends-with 75
run
  = Available=True(QuorumHealthy) Progressing=True(WaitingForMembers) Degraded=True(MemberLost)
  = members a-m2* a-m58! a-m90
  = member a-m58 is lost: its log and its engine do not belong together (exit code 75); set spec.repair.automatic to true, or remove it by hand (etcdctl member remove id65): then a new member takes its place
edit {repair: null}
run
  latch replacing=a-m58(DataDamaged) removing=a-m58
  memberRemove a-m58
  delete StatefulSet a-m58
  volume data-a-m58 detach DataDamaged
  latch removing=-
  latch joining=a-m181
  create PersistentVolumeClaim data-a-m181
  memberAdd a-m181
  volume data-a-m181 joinOrder a-m181=http://a-m181-0.a-peer.ns.svc:2380,a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m90=http://a-m90-0.a-peer.ns.svc:2380
  apply StatefulSet a-m181
  memberPromote a-m181
  latch replacing=-
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m181 a-m2* a-m90

# An option changes: followers first, the leader hands over and is last.
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
edit {etcdOptions: {snapshotCount: 5000}}
run
  apply StatefulSet a-m36
  delete Pod a-m36-0
  apply StatefulSet a-m58
  delete Pod a-m58-0
  apply StatefulSet a-m2
  moveLeader a-m2 -> a-m36
  delete Pod a-m2-0
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2 a-m36* a-m58
# A version changes the image of one member at a time, too.
edit {version: 1.1.0}
run
  apply StatefulSet a-m2
  delete Pod a-m2-0
  apply StatefulSet a-m58
  delete Pod a-m58-0
  apply StatefulSet a-m36
  moveLeader a-m36 -> a-m2
  delete Pod a-m36-0
  latch version=1.1.0 image=quoin:1.1.0
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m36 a-m58
# Taking spec.version away again keeps what runs.
edit {version: null}
run
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m36 a-m58

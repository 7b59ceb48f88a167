# A keyspace that takes too long to hash: after half an hour the restore ends, uncompared, and says so.
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
unhashed
restores 1100
restore r1
run
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m44
  create Job a-m44-init
  volume data-a-m44 joinOrder a-m44=http://a-m44-0.a-peer.ns.svc:2380
  latch transition=Restore/Validating
  apply PodDisruptionBudget a minAvailable=2
  apply StatefulSet a-m44
  latch transition=Restore/Switching
  apply PodDisruptionBudget a minAvailable=1
  delete StatefulSet a-m2
  latch clusterToken=token43 clusterID=c2 seed=a-m44 joining=- removing=- replacing=- incident=- transition=Restore/Growing
  apply Service a-client
  volume data-a-m2 detach
  delete Job a-m44-init
  = Available=True(QuorumHealthy) Progressing=True(Restoring) Degraded=False(AsExpected)
  = members a-m44*
  = restore Growing: a-m44 is the cluster now: the other members are added
wait 1801
run
  latch transition=Restore/Completed
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m44*
  = restore Completed: 1 members serve; they did not answer HashKV in time: compare them with etcdctl endpoint hashkv --cluster

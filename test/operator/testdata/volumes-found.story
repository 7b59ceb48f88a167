# The resource was deleted and made again; its volumes were retained.
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
recreate
run
  = Available=False(Bootstrapping) Progressing=False(VolumesFound) Degraded=True(VolumesFound)
  = members none
  = set spec.bootstrap.existingVolumes to Adopt (run the cluster they hold) or Discard (start empty, keep them aside): volumes of this name exist: data-a-m2, data-a-m36, data-a-m58
# Adopting runs the cluster on them: no seed, no new cluster.
edit {bootstrap: {existingVolumes: Adopt}}
run
  latch clusterToken=token1 version=1.0.0 image=quoin:1.0.0
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=2
  apply StatefulSet a-m2
  apply StatefulSet a-m36
  apply StatefulSet a-m58
  latch clusterID=c1
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m36 a-m58
# The resource was deleted while a restore filled its volume: that one was never to serve, and is put aside.
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
restores 1100
restore r1
steps 3
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m44
  create Job a-m44-init
recreate {bootstrap: {existingVolumes: Adopt}}
run
  latch clusterToken=token1 version=1.0.0 image=quoin:1.0.0
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=1
  volume data-a-m44 detach
  apply StatefulSet a-m2
  latch clusterID=c1
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
volumes
  = data-a-m2 of token1
  = data-a-m44 of token43, detached

# The seed's Job cannot start: a corrected image replaces the Job.
bad-image {replicas: 3, storage: {size: 1Gi}, image: {tag: wrong}}
create {replicas: 3, image: {tag: wrong}}
steps 12
  latch clusterToken=token1 seed=a-m2 version=wrong image=quoin:wrong
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=2
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
edit {image: {tag: 1.0.0}}
run
  latch version=1.0.0 image=quoin:1.0.0
  delete Job a-m2-init
  create Job a-m2-init
  volume data-a-m2 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380
  apply StatefulSet a-m2
  latch clusterID=c1
  delete Job a-m2-init
  latch joining=a-m51
  create PersistentVolumeClaim data-a-m51
  memberAdd a-m51
  volume data-a-m51 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m51=http://a-m51-0.a-peer.ns.svc:2380
  apply StatefulSet a-m51
  memberPromote a-m51
  latch joining=-
  latch joining=a-m73
  create PersistentVolumeClaim data-a-m73
  memberAdd a-m73
  volume data-a-m73 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m51=http://a-m51-0.a-peer.ns.svc:2380,a-m73=http://a-m73-0.a-peer.ns.svc:2380
  apply StatefulSet a-m73
  memberPromote a-m73
  latch joining=-
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m51 a-m73

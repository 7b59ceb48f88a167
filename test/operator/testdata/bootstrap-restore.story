# A new cluster from a backup: the seed's Job restores instead of making an empty keyspace. A backup that
# is not there is waited for; a wrong one may be replaced until the seed is filled.
create {replicas: 3, bootstrap: {restore: {source: {backupRef: {name: b1}}}}}
backup missing
run
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=2
  = Available=False(Bootstrapping) Progressing=False(RestoreSourceMissing) Degraded=True(RestoreSourceMissing)
  = members none
  = BackupNotFound: there is no EtcdBackup of that name. Nothing was restored; spec.bootstrap.restore may be changed.
restores HashMismatch
backup b1
run
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  = Available=False(Bootstrapping) Progressing=True(Restoring) Degraded=True(RestoreFailed)
  = members none
  = HashMismatch: The stored object is not what it should be. Nothing was formed and the backup is untouched; to try again at once delete Job a-m2-init.
  = restore Restoring: restore asked for by bootstrap/c61b2fe5362d4cb1 begins with a-m2
edit {bootstrap: {restore: {source: {backupRef: {name: b2}}}}}
restores 1000000100
backup b2
run
  latch transition=Restore/Restoring
  delete PersistentVolumeClaim data-a-m2
  delete Job a-m2-init
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  volume data-a-m2 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380
  latch transition=Restore/Validating
  apply StatefulSet a-m2
  latch clusterID=c1 transition=Restore/Growing
  delete Job a-m2-init
  latch joining=a-m69
  create PersistentVolumeClaim data-a-m69
  memberAdd a-m69
  volume data-a-m69 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m69=http://a-m69-0.a-peer.ns.svc:2380
  apply StatefulSet a-m69
  memberPromote a-m69
  latch joining=-
  latch joining=a-m91
  create PersistentVolumeClaim data-a-m91
  memberAdd a-m91
  volume data-a-m91 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380,a-m69=http://a-m69-0.a-peer.ns.svc:2380,a-m91=http://a-m91-0.a-peer.ns.svc:2380
  apply StatefulSet a-m91
  memberPromote a-m91
  latch joining=-
  latch transition=Restore/Completed
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m69 a-m91
  = restore Completed: 3 members serve; HashKV at revision 1000000100 is one
# Once it lives, the field has no effect.
edit {bootstrap: {restore: {source: {backupRef: {name: b3}}}}}
run
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2* a-m69 a-m91
  = restore Completed: 3 members serve; HashKV at revision 1000000100 is one
volumes
  = data-a-m2 of token1
  = data-a-m69 of token1
  = data-a-m91 of token1
# No restore after all.
create {replicas: 1, bootstrap: {restore: {source: {backupRef: {name: b1}}}}}
restores AccessDenied
backup b1
run
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=1
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  = Available=False(Bootstrapping) Progressing=True(Restoring) Degraded=True(RestoreFailed)
  = members none
  = AccessDenied: The stored object is not what it should be. Nothing was formed and the backup is untouched; to try again at once delete Job a-m2-init.
  = restore Restoring: restore asked for by bootstrap/c61b2fe5362d4cb1 begins with a-m2
edit {bootstrap: {}}
run
  latch transition=-
  delete PersistentVolumeClaim data-a-m2
  delete Job a-m2-init
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  volume data-a-m2 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380
  apply StatefulSet a-m2
  latch clusterID=c1
  delete Job a-m2-init
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
# What comes up is not what was restored.
create {replicas: 1, bootstrap: {restore: {source: {backupRef: {name: b1}}}}}
restores 7
backup b1
run
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=1
  latch transition=Restore/Restoring
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  volume data-a-m2 joinOrder a-m2=http://a-m2-0.a-peer.ns.svc:2380
  latch transition=Restore/Validating
  apply StatefulSet a-m2
  = Available=False(Bootstrapping) Progressing=False(RestoreInvalid) Degraded=True(RestoreInvalid)
  = members a-m2*
  = delete this EtcdCluster and make it again: a-m2 is not what was restored: it is at revision 7, but 1000000100 was restored. The backup is untouched.
  = restore Validating: a-m2 holds pvc://backups/b1.db: it is started and looked at

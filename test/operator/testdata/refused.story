# A Service of our name that is not ours.
create {replicas: 1}
foreign-service a-peer
run
  = Available=False(Bootstrapping) Progressing=False(NameConflict) Degraded=True(NameConflict)
  = members none
  = delete or rename Service a-peer, or choose another name for this EtcdCluster: it exists and this cluster does not control it

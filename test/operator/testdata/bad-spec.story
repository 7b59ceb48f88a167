# The second line behind the CRD.
create {replicas: 1, extraArgs: [--force-new-cluster]}
run
  = Available=False(Bootstrapping) Progressing=False(InvalidSpec) Degraded=True(InvalidSpec)
  = members none
  = remove --force-new-cluster from extraArgs: the operator sets it (use spec.etcdOptions where it has a field)
edit {extraArgs: [], pod: {env: [{name: ETCD_NAME, value: x}]}}
run
  = Available=False(Bootstrapping) Progressing=False(InvalidSpec) Degraded=True(InvalidSpec)
  = members none
  = remove ETCD_NAME from spec.pod.env: use spec.etcdOptions

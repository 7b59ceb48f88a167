# Given Secrets: the cluster waits for them and says which one is missing. Applications get no certificate that is not named.
create {replicas: 1, tls: {client: {mode: Secret, secretRef: {name: web}, clientSecretRef: {name: admin}}, peer: {mode: Secret, secretRef: {name: peers}}}}
run
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0 tls=Secret/Secret
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=1
  = Available=False(Bootstrapping) Progressing=False(CertificateUnusable) Degraded=True(CertificateUnusable)
  = members none
  = Secret web does not exist: put it right, then the operator goes on
give web
give admin
run
  secret a-client copy
  = Available=False(Bootstrapping) Progressing=False(CertificateUnusable) Degraded=True(CertificateUnusable)
  = members none
  = Secret peers does not exist: put it right, then the operator goes on
# A peers' certificate without the names of members is told, and no member is asked for one.
give peers
run
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  volume data-a-m2 joinOrder a-m2=https://a-m2-0.a-peer.ns.svc:2380
  apply StatefulSet a-m2
  latch clusterID=c1
  delete Job a-m2-init
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=True(CertificateUnusable)
  = members a-m2*
  = Secret peers: its certificate needs the name *.a-peer.ns.svc, or members refuse each other
give peers *.a-peer.ns.svc
run
  latch tls=Secret/Secret/member.a-peer.ns.svc
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
certificates
  = a-client - 0d, trusts 1
  = admin admin 90d, trusts 1
  = peers peers 90d, trusts 1
  = web web 90d, trusts 1
# The one for applications is waited for, then copied.
edit {tls: {client: {mode: Secret, secretRef: {name: web}, clientSecretRef: {name: admin}, applicationSecretRef: {name: apps}}, peer: {mode: Secret, secretRef: {name: peers}}}}
run
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=True(CertificateUnusable)
  = members a-m2*
  = Secret apps does not exist
give apps
run
  secret a-client copy
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
certificates
  = a-client apps 90d, trusts 1
  = admin admin 90d, trusts 1
  = apps apps 90d, trusts 1
  = peers peers 90d, trusts 1
  = web web 90d, trusts 1
# A renewed one is copied; one that ends soon is told.
give apps
run
  secret a-client copy
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
days 85
run
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=True(CertificateExpires)
  = members a-m2*
  = renew Secret web: it ends 2026-04-01T00:00:00.000Z
give web
give admin
give peers *.a-peer.ns.svc
run
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=True(CertificateExpires)
  = members a-m2*
  = renew Secret apps: it ends 2026-04-01T00:00:00.000Z
give apps
# Without a name it goes again.
edit {tls: {client: {mode: Secret, secretRef: {name: web}, clientSecretRef: {name: admin}}, peer: {mode: Secret, secretRef: {name: peers}}}}
run
  secret a-client copy
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
certificates
  = a-client - 0d, trusts 1
  = admin admin 90d, trusts 1
  = apps apps 90d, trusts 1
  = peers peers 90d, trusts 1
  = web web 90d, trusts 1
drop-secret admin
run
  = Available=True(QuorumHealthy) Progressing=False(CertificateUnusable) Degraded=True(CertificateUnusable)
  = members a-m2*
  = Secret admin does not exist: put it right, then the operator goes on

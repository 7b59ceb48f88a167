# cert-manager gets Certificate objects and makes the Secrets; the client's is copied with its endpoints.
create {replicas: 1, tls: {client: {mode: CertManager, issuerRef: {name: ca}}, peer: {mode: CertManager, issuerRef: {name: ca, kind: ClusterIssuer}}}}
run
  latch clusterToken=token1 seed=a-m2 version=1.0.0 image=quoin:1.0.0 tls=CertManager/CertManager
  apply Service a-peer
  apply Service a-client
  apply PodDisruptionBudget a minAvailable=1
  apply Certificate a-server
  apply Certificate a-operator
  apply Certificate a-client-tls
  apply Certificate a-peer
  secret a-client copy
  latch tls=CertManager/CertManager/member.a-peer.ns.svc
  create PersistentVolumeClaim data-a-m2
  create Job a-m2-init
  volume data-a-m2 joinOrder a-m2=https://a-m2-0.a-peer.ns.svc:2380
  apply StatefulSet a-m2
  latch clusterID=c1
  delete Job a-m2-init
  = Available=True(QuorumHealthy) Progressing=False(Stable) Degraded=False(AsExpected)
  = members a-m2*
certificates
  = a-client a-client-tls 90d, trusts 1
  = a-client-tls a-client-tls 90d, trusts 1
  = a-operator a-operator 90d, trusts 1
  = a-peer a-peer 90d, trusts 1
  = a-server a-server 90d, trusts 1

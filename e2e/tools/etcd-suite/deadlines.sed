# Six times as long for every deadline of etcd's tests, which bound waiting on an idle machine and are
# no part of what they ask: a loaded one, or one whose processors are lent out, misses ten seconds for
# three members' start. kv_test's one second, which a member without quorum must not answer in, stays.
s/context\.WithTimeout\(t\.Context\(\), /&6 * /
s/ExecuteWithTimeout\(t, /&6 * /
s/^(\t+\}, )([^,]*time\.Second[^,]*, [^,]*time\.Millisecond)/\16 * \2/
s/(watchTimeout := |\<Timeout: )(10? \* time\.Second)/\16 * \2/
# A call's own deadlines, of etcdctl (2 and 5 s unless a flag says otherwise) and of the Go client.
s/fmap := make\(map\[string\]string\)/fmap := map[string]string{"dial-timeout": "12s", "command-timeout": "30s"}/
s/(\<DialTimeout: +)(5 \* time\.Second)/\16 * \2/
# Leases of two seconds, which three runs of etcdctl must come before, and the sleeps that outlive them.
s/(\<Grant\(ctx, )(2\))/\13 * \2/
s/(time\.Sleep\()([23] \* time\.Second\))/\13 * \2/
# A cluster refuses new members for its first five seconds, if the test comes to ask by then.
/^func TestMember(Add|Remove)\(/,/^}/s/clus := testRunner\.NewCluster\(/begun := time.Now(); &/
s/require\.ErrorContains\(t, err, "etcdserver: unhealthy cluster"\)/if err != nil || time.Since(begun) < etcdserver.HealthInterval { & }/

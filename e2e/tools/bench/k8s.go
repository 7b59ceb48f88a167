package main

import (
	"context"
	"flag"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
)

var staleEvery = flag.Int("stale-every", 20, "k8s: every n-th write knows an old revision only (0: none)")

func init() {
	register("k8s", workload{"update of an object as kube-apiserver does it", prepareUpdate})
}

const objectPrefix = "/registry/pods/bench/"

// objects is what the writers know: the revision of each object's last write, 0 when a failed
// request has made it uncertain.
type objects []atomic.Int64

// prepareUpdate is kube-apiserver's OptimisticPut (client/v3/kubernetes): one transaction that puts
// if the object still has the revision that the writer knows, and gets it otherwise. Each object has
// one writer, so that a correct server refuses exactly the writes that were sent with an old
// revision; at the end every object has exactly the revision of its last acknowledged write.
func prepareUpdate(ctx context.Context, b *bench) (*load, error) {
	if err := b.fill(ctx, objectPrefix, b.keySpace, b.valueSize); err != nil {
		return nil, err
	}
	known := make(objects, b.keySpace)
	err := b.revisions(ctx, func(n int, revision int64) error {
		known[n].Store(revision)
		return nil
	})
	if err != nil {
		return nil, err
	}
	counts := make([]int, b.clients)
	op := func(ctx context.Context, w *worker) (int, error) {
		// Object n belongs to worker n mod clients.
		mine := (b.keySpace - w.index + b.clients - 1) / b.clients
		if mine <= 0 {
			return 0, wrongf("-key-space %d leaves client %d no object", b.keySpace, w.index)
		}
		n := w.random.IntN(mine)*b.clients + w.index
		counts[w.index]++
		isStale := *staleEvery > 0 && counts[w.index]%*staleEvery == 0
		return 1, update(ctx, b, w, n, &known[n], isStale)
	}
	verify := func(ctx context.Context) error {
		return b.revisions(ctx, func(n int, revision int64) error {
			if last := known[n].Load(); last != 0 && last != revision {
				return wrongf("object %d has revision %d, its last acknowledged write %d", n, revision, last)
			}
			return nil
		})
	}
	return &load{op: op, verify: verify}, nil
}

func update(ctx context.Context, b *bench, w *worker, n int, known *atomic.Int64, isStale bool) error {
	key, expected := keyOf(objectPrefix, n), known.Load()
	sent := expected
	if isStale && sent > 0 {
		sent--
	}
	r, err := w.kv.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", sent)).
		Then(clientv3.OpPut(key, b.value(w.random, b.valueSize))).
		Else(clientv3.OpGet(key)).
		Commit()
	if err != nil {
		known.Store(0)
		return err
	}
	if r.Succeeded {
		if sent != expected {
			return wrongf("%s: written at revision %d, which it no longer had (%d)", key, sent, expected)
		}
		known.Store(r.Header.Revision)
		return nil
	}
	kvs := r.Responses[0].GetResponseRange().GetKvs()
	if len(kvs) != 1 || string(kvs[0].Key) != key || len(kvs[0].Value) != b.valueSize {
		return wrongf("%s: refused with %v", key, kvs)
	}
	if expected != 0 && kvs[0].ModRevision != expected {
		return wrongf("%s: refused with revision %d, the last write had %d", key, kvs[0].ModRevision, expected)
	}
	if sent == expected && expected != 0 {
		return wrongf("%s: refused at revision %d, which it has", key, sent)
	}
	known.Store(kvs[0].ModRevision)
	return nil
}

// revisions calls f with the number and the revision of every object, read in pages.
func (b *bench) revisions(ctx context.Context, f func(n int, revision int64) error) error {
	const page = 10000
	end := clientv3.GetPrefixRangeEnd(objectPrefix)
	for n := 0; n < b.keySpace; {
		r, err := b.connections[0].Get(ctx, keyOf(objectPrefix, n), clientv3.WithRange(end), clientv3.WithLimit(page), clientv3.WithKeysOnly())
		if err != nil {
			return err
		}
		if len(r.Kvs) == 0 {
			return wrongf("%d objects of %d", n, b.keySpace)
		}
		for _, kv := range r.Kvs {
			if key := keyOf(objectPrefix, n); string(kv.Key) != key {
				return wrongf("%s where %s belongs", kv.Key, key)
			}
			if err := f(n, kv.ModRevision); err != nil {
				return err
			}
			n++
		}
	}
	return nil
}

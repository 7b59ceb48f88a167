package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func init() {
	register("put", workload{"put of one key of -key-space, drawn uniformly", preparePut})
	register("get", workload{"linearizable get of one key", prepareGet()})
	register("sget", workload{"serializable get of one key", prepareGet(clientv3.WithSerializable())})
	register("fill", workload{"writes every key of the key space that is missing; measures nothing", prepareFill})
}

const benchPrefix = "/bench/"

// keyOf is key n of those under the prefix that fill writes.
func keyOf(prefix string, n int) string { return fmt.Sprintf("%s%010d", prefix, n) }

// noise is text that does not compress much, to cut values from.
func noise(seed uint64) string {
	var key [32]byte
	key[0] = byte(seed)
	raw := make([]byte, 3<<18)
	rand.NewChaCha8(key).Read(raw)
	return base64.StdEncoding.EncodeToString(raw)
}

// value cuts out a value of that many bytes.
func (b *bench) value(random *rand.Rand, size int) string {
	at := random.IntN(len(b.noise) - size)
	return b.noise[at : at+size]
}

// count asks how many keys are under the prefix.
func (b *bench) count(ctx context.Context, prefix string) (int64, error) {
	r, err := b.connections[0].Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return r.Count, nil
}

// fill writes keys 0..count-1 under the prefix, unless that many are there: transactions of about
// 100 KB and at most 100 puts, 16 at a time. Nothing else may write under the prefix but to them.
func (b *bench) fill(ctx context.Context, prefix string, count, valueSize int) error {
	return b.fillWith(ctx, prefix, count, valueSize, func(random *rand.Rand, _ int) string {
		return b.value(random, valueSize)
	})
}

// fillWith is fill with values that depend on the key's number.
func (b *bench) fillWith(ctx context.Context, prefix string, count, valueSize int, valueOf func(*rand.Rand, int) string) error {
	there, err := b.count(ctx, prefix)
	if err != nil || there == int64(count) {
		return err
	}
	per := max(1, min(100, 100_000/max(1, valueSize)))
	var next atomic.Int64
	var wg sync.WaitGroup
	failures := make(chan error, 16)
	for i := range 16 {
		random := rand.New(rand.NewPCG(b.seed, uint64(i)))
		kv := b.connections[i%len(b.connections)]
		wg.Go(func() {
			for {
				to := int(next.Add(int64(per)))
				var ops []clientv3.Op
				for n := to - per; n < min(to, count); n++ {
					ops = append(ops, clientv3.OpPut(keyOf(prefix, n), valueOf(random, n)))
				}
				if len(ops) == 0 {
					return
				}
				if _, err := kv.Txn(ctx).Then(ops...).Commit(); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failures:
		return err
	default:
	}
	if there, err = b.count(ctx, prefix); err == nil && there != int64(count) {
		err = wrongf("%d keys under %s after writing %d", there, prefix, count)
	}
	return err
}

func preparePut(ctx context.Context, b *bench) (*load, error) {
	if err := b.fill(ctx, benchPrefix, b.keySpace, b.valueSize); err != nil {
		return nil, err
	}
	op := func(ctx context.Context, w *worker) (int, error) {
		_, err := w.kv.Put(ctx, keyOf(benchPrefix, w.random.IntN(b.keySpace)), b.value(w.random, b.valueSize))
		return 1, err
	}
	verify := func(ctx context.Context) error {
		there, err := b.count(ctx, benchPrefix)
		if err == nil && there != int64(b.keySpace) {
			err = wrongf("%d keys after overwriting %d", there, b.keySpace)
		}
		return err
	}
	return &load{op: op, verify: verify}, nil
}

func prepareGet(options ...clientv3.OpOption) func(context.Context, *bench) (*load, error) {
	return func(ctx context.Context, b *bench) (*load, error) {
		if err := b.fill(ctx, benchPrefix, b.keySpace, b.valueSize); err != nil {
			return nil, err
		}
		return &load{op: func(ctx context.Context, w *worker) (int, error) {
			key := keyOf(benchPrefix, w.random.IntN(b.keySpace))
			r, err := w.kv.Get(ctx, key, options...)
			if err == nil && (len(r.Kvs) != 1 || string(r.Kvs[0].Key) != key || len(r.Kvs[0].Value) != b.valueSize) {
				err = wrongf("get of %s: %v", key, r.Kvs)
			}
			return 1, err
		}}, nil
	}
}

func prepareFill(ctx context.Context, b *bench) (*load, error) {
	if err := b.fill(ctx, benchPrefix, b.keySpace, b.valueSize); err != nil {
		return nil, err
	}
	return &load{op: func(context.Context, *worker) (int, error) { return 0, errDone }}, nil
}

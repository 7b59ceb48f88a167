package main

import (
	"context"
	"math/rand/v2"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func init() {
	register("list10k", workload{"list of -key-space keys in one answer", prepareList(readWhole)})
	register("page10k", workload{"list of -key-space keys by pages of 10000 at one revision", prepareList(readPages(10_000))})
	register("page500", workload{"list of -key-space keys by pages of 500 at one revision", prepareList(readPages(500))})
	register("rangestream", workload{"list of -key-space keys as a RangeStream", prepareList(readStream)})
	register("count", workload{"count of -key-space keys", prepareList(readCount)})
}

// list is what one operation reads, however many requests that takes. Every key of every answer is
// compared with what was written.
type list struct {
	b      *bench
	prefix string
	next   int // the key that comes next
}

// prepareList gives every size of list keys of its own, so that several can be on one member.
func prepareList(read func(context.Context, *clientv3.Client, *list) error) func(context.Context, *bench) (*load, error) {
	return func(ctx context.Context, b *bench) (*load, error) {
		prefix := keyOf("/list/", b.keySpace) + "/"
		of := list{b: b, prefix: prefix}
		err := b.fillWith(ctx, prefix, b.keySpace, b.valueSize, func(_ *rand.Rand, n int) string { return of.value(n) })
		if err != nil {
			return nil, err
		}
		return &load{op: func(ctx context.Context, w *worker) (int, error) {
			l := of
			return b.keySpace, read(ctx, w.kv, &l)
		}}, nil
	}
}

// value is a piece of the noise that depends on the key.
func (l *list) value(n int) string {
	at := n * 61 % (len(l.b.noise) - l.b.valueSize)
	return l.b.noise[at : at+l.b.valueSize]
}

func (l *list) add(kvs []*mvccpb.KeyValue) error {
	for _, kv := range kvs {
		if want := keyOf(l.prefix, l.next); string(kv.Key) != want {
			return wrongf("got key %q, want %q", kv.Key, want)
		}
		if string(kv.Value) != l.value(l.next) || kv.ModRevision == 0 || kv.CreateRevision != kv.ModRevision || kv.Version != 1 {
			return wrongf("key %q has another value or other revisions than were written", kv.Key)
		}
		l.next++
	}
	return nil
}

func (l *list) end(count int64) error {
	if l.next != l.b.keySpace || count != int64(l.b.keySpace) {
		return wrongf("got %d keys and count %d, want %d", l.next, count, l.b.keySpace)
	}
	return nil
}

func readWhole(ctx context.Context, c *clientv3.Client, l *list) error {
	r, err := c.Get(ctx, l.prefix, clientv3.WithPrefix())
	if err != nil {
		return err
	}
	if err := l.add(r.Kvs); err != nil {
		return err
	}
	return l.end(r.Count)
}

// readPages goes on behind the last key at the first page's revision, as kube-apiserver does.
func readPages(limit int64) func(context.Context, *clientv3.Client, *list) error {
	return func(ctx context.Context, c *clientv3.Client, l *list) error {
		key, end := l.prefix, clientv3.GetPrefixRangeEnd(l.prefix)
		revision, count := int64(0), int64(0)
		for {
			r, err := c.Get(ctx, key, clientv3.WithRange(end), clientv3.WithLimit(limit), clientv3.WithRev(revision))
			if err != nil {
				return err
			}
			if left := int64(l.b.keySpace - l.next); r.Count != left {
				return wrongf("got count %d behind %q, want %d", r.Count, key, left)
			}
			if err := l.add(r.Kvs); err != nil {
				return err
			}
			if revision == 0 {
				revision, count = r.Header.Revision, r.Count
			}
			if !r.More {
				return l.end(count)
			}
			key = string(r.Kvs[len(r.Kvs)-1].Key) + "\x00"
		}
	}
}

func readStream(ctx context.Context, c *clientv3.Client, l *list) error {
	pieces, err := c.GetStream(ctx, l.prefix, clientv3.WithPrefix())
	if err != nil {
		return err
	}
	count := int64(0)
	for piece := range pieces {
		if err := piece.Err(); err != nil {
			return err
		}
		if err := l.add(piece.RangeResponse.Kvs); err != nil {
			return err
		}
		count = piece.RangeResponse.Count // the last piece's
	}
	return l.end(count)
}

func readCount(ctx context.Context, c *clientv3.Client, l *list) error {
	r, err := c.Get(ctx, l.prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	if len(r.Kvs) != 0 || r.Count != int64(l.b.keySpace) {
		return wrongf("got %d keys and count %d, want none of %d", len(r.Kvs), r.Count, l.b.keySpace)
	}
	return nil
}

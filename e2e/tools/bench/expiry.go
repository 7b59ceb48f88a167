package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func init() {
	register("expiry", workload{"-leases that run out at once, each with a key, and one client's puts meanwhile: an operation is a lease, the times are the puts'", prepareExpiry})
}

const (
	expiryPrefix = "/expiry/"
	// besidePrefix holds the keys of the puts.
	besidePrefix, besideKeys = "/beside/", 1000
	// expiryTTL in seconds: long enough to renew all leases within a third of it.
	expiryTTL = 10
	// expiryShare is how many leases are granted between two looks at the clock.
	expiryShare = 3000
	// putEvery is how long after the begin of a put the next one begins, or later, when it is answered:
	// with no pause the puts would be most of what the servers do, and a halt now and then would hit
	// too few of them to be seen in the 99th percentile.
	putEvery = 10 * time.Millisecond
)

// expiry is leases that all run out within the time that it took to renew them once. Worker 0 watches
// their keys go, each once and none too early; worker 1 puts other keys.
type expiry struct {
	b       *bench
	ids     []clientv3.LeaseID
	renewed []time.Time // when a lease's last renewal was sent
	gone    []time.Time // when its key's deletion was seen
	total   int         // of the deletions
	last    time.Time   // the deadline for the last of them
	events  clientv3.WatchChan
	done    chan struct{}
}

func prepareExpiry(ctx context.Context, b *bench) (*load, error) {
	x := &expiry{b: b, ids: make([]clientv3.LeaseID, *leases), renewed: make([]time.Time, *leases), gone: make([]time.Time, *leases), done: make(chan struct{})}
	if _, err := b.connections[0].Delete(ctx, expiryPrefix, clientv3.WithPrefix()); err != nil {
		return nil, err
	}
	if err := b.fill(ctx, besidePrefix, besideKeys, b.valueSize); err != nil {
		return nil, err
	}
	revision, err := x.grant(ctx)
	if err != nil {
		return nil, err
	}
	watching, stop := context.WithCancel(context.Background())
	x.events = b.connections[b.conns-1].Watch(watching, expiryPrefix, clientv3.WithPrefix(), clientv3.WithRev(revision+1), clientv3.WithFilterPut(), clientv3.WithCreatedNotify())
	if r := <-x.events; r.Err() != nil || !r.Created {
		stop()
		return nil, fmt.Errorf("the watch was not created: %w", r.Err())
	}
	if err := x.renew(ctx, len(x.ids)); err != nil {
		stop()
		return nil, err
	}
	begin := x.due(0)
	// Twice as slow as etcd is by design (1000 leases a second), and some seconds for the last ones.
	x.last = begin.Add(30*time.Second + time.Duration(len(x.ids))*2*time.Millisecond)
	drive := func(w *worker) {
		if w.index == 0 {
			x.watch(w)
		} else {
			x.put(w)
		}
	}
	return &load{workers: 2, drive: drive, begin: begin, done: x.done, ops: func() int { return x.total }, verify: x.verify, close: stop}, nil
}

// due is the first moment at which lease n may be gone.
func (x *expiry) due(n int) time.Time { return x.renewed[n].Add(expiryTTL * time.Second) }

// grant makes the leases and their keys and keeps what there is alive meanwhile. It returns the
// revision of the last key.
func (x *expiry) grant(ctx context.Context) (revision int64, err error) {
	k := &keepAlive{b: x.b}
	since := time.Now()
	for from := 0; from < len(x.ids); from += expiryShare {
		k.ids = x.ids[from:min(from+expiryShare, len(x.ids))]
		err = k.each(func(c *clientv3.Client, i int) error {
			r, err := c.Grant(ctx, expiryTTL)
			if err == nil {
				k.ids[i] = r.ID
			}
			return err
		})
		for n := from; err == nil && n < from+len(k.ids); n += 100 {
			revision, err = x.attach(ctx, n, min(n+100, from+len(k.ids)))
		}
		if err == nil && time.Since(since) > expiryTTL*time.Second/4 {
			since = time.Now()
			err = x.renew(ctx, from+len(k.ids))
		}
		if err != nil {
			return 0, err
		}
	}
	return revision, nil
}

// attach writes the keys of leases from..to-1.
func (x *expiry) attach(ctx context.Context, from, to int) (revision int64, err error) {
	var ops []clientv3.Op
	for n := from; n < to; n++ {
		ops = append(ops, clientv3.OpPut(keyOf(expiryPrefix, n), "", clientv3.WithLease(x.ids[n])))
	}
	r, err := x.b.connections[0].Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return 0, err
	}
	return r.Header.Revision, nil
}

// renew renews the first count leases on one stream.
func (x *expiry) renew(ctx context.Context, count int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pb.NewLeaseClient(x.b.connections[0].ActiveConnection()).LeaseKeepAlive(ctx)
	if err != nil {
		return err
	}
	go func() {
		defer stream.CloseSend()
		for n := range count {
			x.renewed[n] = time.Now()
			if stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(x.ids[n])}) != nil {
				return // the receiver knows why
			}
		}
	}()
	for n := range count {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		if r.ID != int64(x.ids[n]) || r.TTL != expiryTTL {
			return fmt.Errorf("lease %x: a TTL of %d for lease %x; %d leases could not be renewed within %d s", x.ids[n], r.TTL, r.ID, count, expiryTTL)
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("end of renewals: %w", err)
	}
	return nil
}

// watch ends the window when every lease's key is gone, or when that takes too long.
func (x *expiry) watch(w *worker) {
	defer close(x.done)
	late := time.After(time.Until(x.last))
	for x.total < len(x.ids) {
		select {
		case r, ok := <-x.events:
			if !ok || r.Err() != nil {
				w.failed(wrongf("the watch ended: %v", r.Err()))
				return
			}
			if err := x.take(r); err != nil {
				w.failed(err)
				return
			}
		case <-late:
			w.failed(wrongf("%d of %d leases have expired %v after they were due", x.total, len(x.ids), time.Since(x.due(0))))
			return
		}
	}
}

func (x *expiry) take(r clientv3.WatchResponse) error {
	now := time.Now()
	for _, event := range r.Events {
		n, err := strconv.Atoi(strings.TrimPrefix(string(event.Kv.Key), expiryPrefix))
		if event.Type != clientv3.EventTypeDelete || err != nil || n < 0 || n >= len(x.ids) {
			return wrongf("the watch has %v", event)
		}
		if !x.gone[n].IsZero() {
			return wrongf("the deletion of key %d came twice", n)
		}
		if now.Before(x.due(n)) {
			return wrongf("lease %x has expired %v too early", x.ids[n], x.due(n).Sub(now))
		}
		x.gone[n] = now
		x.total++
	}
	return nil
}

// put writes other keys, one at a time.
func (x *expiry) put(w *worker) {
	for !w.isOver() {
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		_, err := x.b.connections[0].Put(ctx, keyOf(besidePrefix, w.random.IntN(besideKeys)), x.b.value(w.random, x.b.valueSize))
		cancel()
		if err != nil {
			w.failed(err)
		} else {
			w.answered(start, 1)
		}
		time.Sleep(time.Until(start.Add(putEvery)))
	}
}

// verify looks for a deletion that comes again, up to one that is made now, and for leases that
// are left.
func (x *expiry) verify(ctx context.Context) error {
	c, key := x.b.connections[0], expiryPrefix+"end"
	if _, err := c.Put(ctx, key, ""); err != nil {
		return err
	}
	if _, err := c.Delete(ctx, key); err != nil {
		return err
	}
	for isEnd := false; !isEnd; {
		select {
		case r, ok := <-x.events:
			if !ok || r.Err() != nil {
				return wrongf("the watch ended: %v", r.Err())
			}
			for _, event := range r.Events {
				if isEnd = string(event.Kv.Key) == key; !isEnd {
					return wrongf("%v after all keys were gone", event)
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	there, err := c.Leases(ctx)
	if err != nil {
		return err
	}
	ours := make(map[clientv3.LeaseID]bool, len(x.ids))
	for _, id := range x.ids {
		ours[id] = true
	}
	for _, l := range there.Leases {
		if ours[l.ID] {
			return wrongf("lease %x is there without its key", l.ID)
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var leases = flag.Int("leases", 10_000, "keepalive: how many")

func init() {
	register("keepalive", workload{"renewals of -leases, -clients under way at a time on one stream a connection", prepareKeepAlive})
}

const (
	// leaseTTL is far beyond a run: what expires is nobody's business here.
	leaseTTL = 600
	// granters is how many grants or revocations are under way at a time.
	granters = 100
)

// keepAlive renews leases as clientv3 does, all of a connection on one stream. Answers must come in
// order, each with its lease's whole TTL.
type keepAlive struct {
	b   *bench
	ids []clientv3.LeaseID
}

func prepareKeepAlive(ctx context.Context, b *bench) (*load, error) {
	k := &keepAlive{b: b, ids: make([]clientv3.LeaseID, *leases)}
	err := k.each(func(c *clientv3.Client, i int) error {
		r, err := c.Grant(ctx, leaseTTL)
		if err == nil {
			k.ids[i] = r.ID
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &load{workers: b.conns, drive: k.renew, verify: k.revoke}, nil
}

// renew is one stream with its share of the leases.
func (k *keepAlive) renew(w *worker) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := pb.NewLeaseClient(w.kv.ActiveConnection()).LeaseKeepAlive(ctx)
	if err != nil {
		w.failed(err)
		return
	}
	share := len(k.ids) / k.b.conns
	ids := k.ids[w.index*share : (w.index+1)*share]
	sent := make(chan time.Time, max(1, k.b.clients/k.b.conns)) // bounds what is under way
	go func() {
		defer stream.CloseSend()
		for i := 0; !w.isOver(); i++ {
			select {
			case sent <- time.Now():
			case <-ctx.Done():
				return
			}
			if stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(ids[i%len(ids)])}) != nil {
				return // the receiver knows why
			}
		}
	}()
	for i := 0; ; i++ {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) && w.isOver() && len(sent) == 0 {
			return
		}
		if err != nil {
			w.failed(err)
			return
		}
		if id := ids[i%len(ids)]; r.ID != int64(id) || r.TTL != leaseTTL {
			w.failed(wrongf("lease %x: a TTL of %d for lease %x", id, r.TTL, r.ID))
			return
		}
		w.answered(<-sent, 1)
	}
}

// revoke also sees that the store knows the leases to be fresh.
func (k *keepAlive) revoke(ctx context.Context) error {
	return k.each(func(c *clientv3.Client, i int) error {
		if i%100 == 0 {
			r, err := c.TimeToLive(ctx, k.ids[i])
			if err != nil {
				return err
			}
			if r.GrantedTTL != leaseTTL || r.TTL < leaseTTL/2 || r.TTL > leaseTTL {
				return wrongf("lease %x has %d of %d s left", k.ids[i], r.TTL, r.GrantedTTL)
			}
		}
		_, err := c.Revoke(ctx, k.ids[i])
		return err
	})
}

func (k *keepAlive) each(do func(c *clientv3.Client, i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, granters)
	for g := range errs {
		wg.Go(func() {
			for i := g; i < len(k.ids) && errs[g] == nil; i += granters {
				errs[g] = do(k.b.connections[g%k.b.conns], i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

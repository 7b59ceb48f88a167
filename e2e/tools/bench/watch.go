package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var watchers = flag.Int("watchers", 10_000, "fanout: how many")

func init() {
	register("fanout", workload{"puts of one writer to -watchers of one prefix; an operation ends with the last delivery", prepareFan(false)})
	register("fanoutprev", workload{"the same with previous values, as kube-apiserver watches", prepareFan(true)})
}

const (
	fanPrefix = "/fan/"
	// fanKeys is how many keys the writer goes through in turn, fanAhead how many of its puts may
	// wait for their last delivery, fanStreams the most streams that the watchers share.
	fanKeys, fanAhead, fanStreams = 64, 8, 100
	// numberDigits is the length of the number that begins every value.
	numberDigits = 16
	// fanPatience is how long the last deliveries may take when the window is over.
	fanPatience = 20 * time.Second
)

// fan has one writer, worker 0, and a worker per stream. Every watcher must see every put exactly
// once, in order, with its value (and the previous one).
type fan struct {
	b       *bench
	prevKV  bool
	total   int
	from    int64 // where watchers start: a member that lags behind must not show them the deletion
	streams []*fanStream
	began   [fanAhead]time.Time // when the put of number n began, at n % fanAhead
	missing [fanAhead]atomic.Int64
	room    chan struct{}
	stop    context.CancelFunc
	// puts are the times until a put was answered, in the window.
	puts []time.Duration
}

// fanStream is one gRPC stream; watcher i of it has the id i + 1.
type fanStream struct {
	fan    *fan
	stream pb.Watch_WatchClient
	next   []int64 // the number each watcher gets next
}

func prepareFan(prevKV bool) func(context.Context, *bench) (*load, error) {
	return func(ctx context.Context, b *bench) (*load, error) {
		if b.valueSize < numberDigits {
			return nil, fmt.Errorf("-value-size %d is less than %d", b.valueSize, numberDigits)
		}
		deleted, err := b.connections[0].Delete(ctx, fanPrefix, clientv3.WithPrefix())
		if err != nil {
			return nil, err
		}
		streaming, stop := context.WithCancel(context.Background())
		f := &fan{b: b, prevKV: prevKV, total: *watchers, from: deleted.Header.Revision + 1, room: make(chan struct{}, fanAhead), stop: stop}
		if err := f.open(streaming); err != nil {
			stop()
			return nil, err
		}
		drive := func(w *worker) {
			if w.index == 0 {
				f.write(w)
			} else {
				f.streams[w.index-1].read(w)
			}
		}
		return &load{workers: 1 + len(f.streams), drive: drive, extra: f.putTimes}, nil
	}
}

// open creates all watchers and waits until each is answered.
func (f *fan) open(ctx context.Context) error {
	f.streams = make([]*fanStream, min(f.total, max(fanStreams, f.b.conns)))
	errs := make([]error, len(f.streams))
	var wg sync.WaitGroup
	for i := range f.streams {
		share := f.total / len(f.streams)
		if i < f.total%len(f.streams) {
			share++
		}
		wg.Go(func() {
			remote := pb.NewWatchClient(f.b.connections[i%f.b.conns].ActiveConnection())
			f.streams[i] = &fanStream{fan: f, next: make([]int64, share)}
			errs[i] = f.streams[i].open(ctx, remote)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *fanStream) open(ctx context.Context, remote pb.WatchClient) error {
	stream, err := remote.Watch(ctx)
	if err != nil {
		return err
	}
	s.stream = stream
	for i := range s.next {
		create := &pb.WatchCreateRequest{
			Key: []byte(fanPrefix), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(fanPrefix)),
			WatchId: int64(i + 1), PrevKv: s.fan.prevKV, StartRevision: s.fan.from,
		}
		request := &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}
		if err := stream.Send(request); err != nil {
			return err
		}
	}
	for range s.next {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		if !r.Created || r.Canceled {
			return wrongf("watcher %d was not created: %v", r.WatchId, r)
		}
	}
	return nil
}

// write puts one number after the other. When the window is over it waits for the last deliveries,
// so that a lost event is found, and ends the streams.
func (f *fan) write(w *worker) {
	defer f.stop()
	for n := int64(0); !w.isOver(); n++ {
		select {
		case f.room <- struct{}{}:
		case <-time.After(fanPatience):
			w.failed(wrongf("an event was not delivered within %v", fanPatience))
			return
		}
		start := time.Now()
		f.began[n%fanAhead] = start
		f.missing[n%fanAhead].Store(int64(f.total))
		ctx, cancel := context.WithTimeout(context.Background(), fanPatience)
		value := fmt.Sprintf("%0*d", numberDigits, n) + f.b.value(w.random, f.b.valueSize-numberDigits)
		_, err := w.kv.Put(ctx, fanKey(n), value)
		cancel()
		if err != nil {
			w.failed(err)
			return
		}
		if f.b.phase.Load() == measuring && !start.Before(f.b.began) {
			f.puts = append(f.puts, time.Since(start))
		}
	}
	for range fanAhead {
		select {
		case f.room <- struct{}{}:
		case <-time.After(fanPatience):
			w.failed(wrongf("an event was not delivered within %v", fanPatience))
			return
		}
	}
}

func fanKey(n int64) string { return fmt.Sprintf("%s%02d", fanPrefix, n%fanKeys) }

func (s *fanStream) read(w *worker) {
	for {
		r, err := s.stream.Recv()
		if err != nil {
			if s.stream.Context().Err() == nil {
				w.failed(err)
			}
			return
		}
		if r.Canceled || r.WatchId < 1 || r.WatchId > int64(len(s.next)) {
			w.failed(wrongf("watcher %d: %v", r.WatchId, r))
			return
		}
		for _, event := range r.Events {
			if err := s.take(w, &s.next[r.WatchId-1], event); err != nil {
				w.failed(err)
				return
			}
		}
	}
}

// take checks one event of a watcher and counts it as delivered.
func (s *fanStream) take(w *worker, next *int64, event *mvccpb.Event) error {
	f, n := s.fan, *next
	hasPrev := f.prevKV && n >= fanKeys
	if event.Type != mvccpb.Event_PUT || !f.is(event.Kv, n) {
		return wrongf("a watcher got %v, want put %d", event, n)
	}
	if (event.PrevKv != nil) != hasPrev || hasPrev && !f.is(event.PrevKv, n-fanKeys) {
		return wrongf("put %d came with the previous value %v", n, event.PrevKv)
	}
	*next = n + 1
	if f.missing[n%fanAhead].Add(-1) > 0 {
		return nil
	}
	w.answered(f.began[n%fanAhead], f.total)
	<-f.room
	return nil
}

// is says whether a key value is the one of put n.
func (f *fan) is(kv *mvccpb.KeyValue, n int64) bool {
	if kv == nil || string(kv.Key) != fanKey(n) || len(kv.Value) != f.b.valueSize {
		return false
	}
	got, err := strconv.ParseInt(string(kv.Value[:numberDigits]), 10, 64)
	return err == nil && got == n
}

// putTimes is what the watchers cost the writer.
func (f *fan) putTimes() map[string]float64 {
	slices.Sort(f.puts)
	return map[string]float64{"putP50Ms": quantile(f.puts, 0.5), "putP99Ms": quantile(f.puts, 0.99)}
}

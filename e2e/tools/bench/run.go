package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Result is the line bench prints. Latencies are of operations that ended in the window, but where
// the workload times something else (expiry).
type Result struct {
	Workload   string  `json:"workload"`
	Clients    int     `json:"clients"`
	Conns      int     `json:"conns"`
	ValueSize  int     `json:"valueSize"`
	KeySpace   int     `json:"keySpace"`
	Ops        int     `json:"ops"`
	Items      int64   `json:"items,omitempty"` // keys or events those operations held
	Errors     int64   `json:"errors"`
	LastError  string  `json:"lastError,omitempty"`
	Seconds    float64 `json:"seconds"`
	Rate       float64 `json:"rate"` // operations per second
	P50Ms      float64 `json:"p50Ms"`
	P99Ms      float64 `json:"p99Ms"`
	P999Ms     float64 `json:"p999Ms"`
	MaxMs      float64 `json:"maxMs"`
	CPUMicros  float64 `json:"cpuMicrosPerOp,omitempty"` // servers' user + system time
	OwnMicros  float64 `json:"ownCpuMicrosPerOp"`        // bench's own: what no server can save
	CPUShare   float64 `json:"cpuShare,omitempty"`       // CPUs the servers had in use
	WroteBytes float64 `json:"wroteBytesPerOp,omitempty"`
	RSSBytes   int64   `json:"rssBytes,omitempty"`  // of the servers, at the end of the window
	PeakBytes  int64   `json:"peakBytes,omitempty"` // sum of their high-water marks
	// StolenShare is the part of all processors' time that the hypervisor gave to other machines.
	StolenShare float64 `json:"stolenShare"`
	// Extra is what only this workload measures.
	Extra map[string]float64 `json:"extra,omitempty"`
}

// bench is what a workload is prepared with.
type bench struct {
	options
	connections []*clientv3.Client
	phase       atomic.Int32
	began       time.Time // of the window; set before the phase says measuring
	noise       string
}

// phase of the run as the workers see it.
const (
	warming = iota
	measuring
	over
)

// worker is one client; it belongs to one goroutine.
type worker struct {
	bench     *bench
	index     int
	kv        *clientv3.Client
	random    *rand.Rand
	latencies []time.Duration
	items     int64
	errors    int64
	lastError error
}

// errDone ends a worker that has nothing left to do.
var errDone = errors.New("done")

// wrongAnswer is an answer that a correct server does not give.
type wrongAnswer struct{ text string }

func (e *wrongAnswer) Error() string { return "wrong answer: " + e.text }

func wrongf(format string, args ...any) error { return &wrongAnswer{fmt.Sprintf(format, args...)} }

func (w *worker) isOver() bool { return w.bench.phase.Load() == over }

// answered counts an operation that began at start when it ends inside the window; it may have begun
// before, as others end behind it: so slow operations are not counted too seldom.
func (w *worker) answered(start time.Time, items int) {
	if w.bench.phase.Load() == measuring {
		w.latencies = append(w.latencies, time.Since(start))
		w.items += int64(items)
	}
}

func (w *worker) failed(err error) {
	var wrong *wrongAnswer
	if w.lastError == nil || errors.As(err, &wrong) {
		w.lastError = err
	}
	w.errors++
}

type operation = func(ctx context.Context, w *worker) (items int, err error)

// loop repeats the operation until the window is over.
func (w *worker) loop(op operation) {
	for !w.isOver() && w.once(op) {
	}
}

// once is false when there is nothing left to do.
func (w *worker) once(op operation) bool {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	items, err := op(ctx, w)
	cancel()
	switch {
	case err == errDone:
		return false
	case err == nil:
		w.answered(start, items)
	default:
		w.failed(err)
		time.Sleep(10 * time.Millisecond)
	}
	return true
}

func run(o options) (*Result, error) {
	chosen, ok := workloads[o.workload]
	if !ok {
		return nil, fmt.Errorf("unknown workload %q; -help names them", o.workload)
	}
	b := &bench{options: o, noise: noise(o.seed)}
	if err := b.dial(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	load, err := chosen.prepare(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", o.workload, err)
	}
	if load.workers == 0 {
		load.workers = o.clients
	}
	workers, seconds, before, after := b.measure(load)
	for _, w := range workers {
		var wrong *wrongAnswer
		if errors.As(w.lastError, &wrong) {
			return nil, wrong
		}
	}
	if load.verify != nil {
		if err := load.verify(ctx); err != nil {
			return nil, err
		}
	}
	if load.close != nil {
		load.close()
	}
	for _, c := range b.connections {
		c.Close()
	}
	result := summarize(o, load, workers, seconds, before, after)
	if load.extra != nil {
		result.Extra = load.extra()
	}
	return result, nil
}

// measure runs the workers through warm-up and window.
func (b *bench) measure(load *load) (workers []*worker, seconds float64, before, after usage) {
	drive := load.drive
	if drive == nil {
		drive = func(w *worker) { w.loop(load.op) }
	}
	for i := range load.workers {
		workers = append(workers, &worker{bench: b, index: i, kv: b.connections[i%len(b.connections)], random: rand.New(rand.NewPCG(b.seed, uint64(i)))})
	}
	if load.op != nil && len(workers) == 1 {
		seconds, before, after = b.measureAlone(workers[0], load.op)
		return workers, seconds, before, after
	}
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() { drive(w) })
	}
	if load.begin.IsZero() {
		time.Sleep(b.warmup)
	} else {
		time.Sleep(time.Until(load.begin))
	}
	before = usageOf(b.pids)
	b.began = time.Now()
	b.phase.Store(measuring)
	if load.done == nil {
		time.Sleep(b.duration)
	} else {
		<-load.done
	}
	b.phase.Store(over)
	after = usageOf(b.pids)
	seconds = time.Since(b.began).Seconds()
	wg.Wait()
	return workers, seconds, before, after
}

// measureAlone is for one closed loop: the window begins and ends with an operation, however long
// that takes.
func (b *bench) measureAlone(w *worker, op operation) (seconds float64, before, after usage) {
	for began := time.Now(); w.once(op) && time.Since(began) < b.warmup; {
	}
	before = usageOf(b.pids)
	b.began = time.Now()
	b.phase.Store(measuring)
	for w.once(op) && time.Since(b.began) < b.duration {
	}
	seconds = time.Since(b.began).Seconds()
	after = usageOf(b.pids)
	b.phase.Store(over)
	return seconds, before, after
}

// dial opens the connections, each to one endpoint.
func (b *bench) dial() error {
	for i := range b.conns {
		c, err := clientv3.New(clientv3.Config{
			Endpoints:   []string{b.endpoints[i%len(b.endpoints)]},
			DialTimeout: 5 * time.Second,
			Logger:      zap.NewNop(),
		})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err = c.Get(ctx, "bench-hello") // the connection stands before the clock runs
		cancel()
		if err != nil {
			return err
		}
		b.connections = append(b.connections, c)
	}
	return nil
}

func summarize(o options, load *load, workers []*worker, seconds float64, before, after usage) *Result {
	r := &Result{Workload: o.workload, Clients: o.clients, Conns: o.conns, ValueSize: o.valueSize, KeySpace: o.keySpace, Seconds: seconds}
	var all []time.Duration
	for _, w := range workers {
		all = append(all, w.latencies...)
		r.Errors += w.errors
		r.Items += w.items
		if w.lastError != nil {
			r.LastError = w.lastError.Error()
		}
	}
	slices.Sort(all)
	r.Ops = len(all)
	if load.ops != nil {
		r.Ops = load.ops()
	}
	r.Rate = float64(r.Ops) / seconds
	r.StolenShare = float64(after.stolen-before.stolen) / float64(max(1, after.ticks-before.ticks))
	r.P50Ms, r.P99Ms = quantile(all, 0.5), quantile(all, 0.99)
	r.P999Ms, r.MaxMs = quantile(all, 0.999), quantile(all, 1)
	if r.Ops == 0 {
		return r
	}
	ops := float64(r.Ops)
	r.OwnMicros = float64((after.own - before.own).Microseconds()) / ops
	if len(o.pids) > 0 {
		spent := after.cpu - before.cpu
		r.CPUMicros = float64(spent.Microseconds()) / ops
		r.CPUShare = spent.Seconds() / seconds
		r.WroteBytes = float64(after.wrote-before.wrote) / ops
		r.RSSBytes, r.PeakBytes = after.rss, after.peak
	}
	return r
}

// quantile of sorted times, in milliseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Microseconds()) / 1000
}

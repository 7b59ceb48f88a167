// bench is a load generator on etcd's own client: it prepares one workload, runs it for -warmup and
// then for -duration, checks that what was answered is right, and prints one JSON object (Result).
// With -pids it also reads what the server processes spent in exactly that window, as one sum.
//
//	bench -workload NAME -endpoints URL,URL,... -clients 1000 -conns 100 -key-space 100000
//	bench -help   names the workloads
//
// # How to add a workload
//
// A file of its own (list.go, watch.go, lease.go, ...) with
//
//	func init() { register("list", workload{about: "one line for -help", prepare: prepareList}) }
//	func prepareList(ctx context.Context, b *bench) (*load, error)
//
// prepare runs before the clock. It has b.options (flags: add yours in the file's init with flag.Int
// and so on), b.connections (-conns clients; connection i speaks to endpoint i mod n only, the
// first endpoint is the leader) and b.fill(ctx, prefix, count, valueSize), which writes keys that are
// not there yet. It returns a load, which has either
//
//	op:    one request; each of the workers calls it in a closed loop. It returns how many items
//	       (keys, events) the answer held. An error counts as a failed request; one made by
//	       wrongf(...) is a wrong answer, which fails the whole run.
//	drive: for what is no closed loop of requests (streams): one call per worker, in a goroutine of
//	       its own, that ends soon after w.isOver(). It calls w.answered(start, items) per
//	       operation and w.failed(err).
//
// and optionally workers (other than -clients), verify (after the window, when all workers have
// ended; an error fails the run), extra (what else was measured, after the window) and close. What
// ends inside the window counts, by w.answered itself. A workload that knows its own window says when
// it begins (begin) and closes done when it ends, instead of -warmup and -duration. One whose
// operations are not what is timed says how many they were (ops).
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// workload is one entry of the registry.
type workload struct {
	about   string
	prepare func(ctx context.Context, b *bench) (*load, error)
}

// load is a prepared workload; see the head of this file.
type load struct {
	workers int
	op      operation
	drive   func(w *worker)
	begin   time.Time
	done    <-chan struct{}
	ops     func() int
	verify  func(ctx context.Context) error
	extra   func() map[string]float64
	close   func()
}

var workloads = map[string]workload{}

func register(name string, w workload) { workloads[name] = w }

type options struct {
	endpoints           []string
	workload            string
	clients, conns      int
	valueSize, keySpace int
	warmup, duration    time.Duration
	pids                []int
	seed                uint64
}

func main() {
	var o options
	endpoints := flag.String("endpoints", "127.0.0.1:2379", "comma-separated; the leader first")
	pids := flag.String("pids", "", "comma-separated: server processes to account for")
	flag.StringVar(&o.workload, "workload", "put", "one of those below")
	flag.IntVar(&o.clients, "clients", 1, "requests under way at a time")
	flag.IntVar(&o.conns, "conns", 1, "connections they share")
	flag.IntVar(&o.valueSize, "value-size", 256, "bytes")
	flag.IntVar(&o.keySpace, "key-space", 100000, "number of different keys")
	flag.DurationVar(&o.warmup, "warmup", 2*time.Second, "load before the window")
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "length of the window")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of keys and values")
	flag.Usage = usageText
	flag.Parse()
	o.endpoints = strings.Split(*endpoints, ",")
	for pid := range strings.SplitSeq(*pids, ",") {
		if n, err := strconv.Atoi(pid); err == nil {
			o.pids = append(o.pids, n)
		} else if pid != "" {
			fail(fmt.Errorf("-pids: %q is no process id", pid))
		}
	}
	result, err := run(o)
	if err != nil {
		fail(err)
	}
	out, _ := json.Marshal(result)
	fmt.Println(string(out))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

func usageText() {
	out := flag.CommandLine.Output()
	flag.PrintDefaults()
	fmt.Fprintln(out, "Workloads:")
	for _, name := range slices.Sorted(maps.Keys(workloads)) {
		fmt.Fprintf(out, "  %-12s %s\n", name, workloads[name].about)
	}
}

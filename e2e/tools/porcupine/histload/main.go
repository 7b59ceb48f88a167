// histload puts load on a cluster while somebody else breaks it, and records what every client saw
// (package history). It runs until -duration has passed or SIGTERM/SIGINT arrives; then, with
// -events, it waits until every endpoint serves again and records each member's whole history
// through a watch from revision 1.
//
// Half of the clients talk to one endpoint each (so that every member gets requests), half know all.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"quoin/e2e/tools/porcupine/history"
)

type recorder struct {
	mu  sync.Mutex
	out *bufio.Writer
	enc *json.Encoder
	n   map[string]int
}

func (rec *recorder) write(r history.Record) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.n[r.Kind+" "+r.Outcome]++
	if err := rec.enc.Encode(r); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "histload:", err)
	os.Exit(1)
}

func main() {
	endpoints := flag.String("endpoints", "127.0.0.1:2379", "comma-separated")
	out := flag.String("out", "history.jsonl", "history file")
	clients := flag.Int("clients", 8, "concurrent clients")
	keys := flag.Int("keys", 8, "number of keys")
	rate := flag.Float64("rate", 600, "operations per second, all clients together")
	duration := flag.Duration("duration", 30*time.Second, "length of the run")
	timeout := flag.Duration("timeout", 3*time.Second, "deadline of one operation")
	seed := flag.Uint64("seed", 1, "seed of keys and kinds")
	events := flag.Bool("events", true, "record every member's history at the end")
	settle := flag.Duration("settle", 60*time.Second, "how long members may take to serve again")
	flag.Parse()

	f, err := os.Create(*out)
	if err != nil {
		fatal(err)
	}
	buffered := bufio.NewWriterSize(f, 1<<20)
	rec := &recorder{out: buffered, enc: json.NewEncoder(buffered), n: map[string]int{}}
	stop, cancel := context.WithTimeout(context.Background(), *duration)
	defer cancel()
	stop, cancelSignals := signal.NotifyContext(stop, syscall.SIGTERM, os.Interrupt)
	defer cancelSignals()

	all := strings.Split(*endpoints, ",")
	base := time.Now()
	var wg sync.WaitGroup
	for i := range *clients {
		target := all
		if i%2 == 0 {
			target = []string{all[(i/2)%len(all)]}
		}
		c := &client{
			id: i, kv: dial(target), rec: rec, base: base, timeout: *timeout, keys: *keys,
			endpoint: strings.Join(target, ","), random: rand.New(rand.NewPCG(*seed, uint64(i))),
			seen: map[string]int64{}, pause: time.Duration(float64(*clients) / *rate * float64(time.Second)),
		}
		wg.Go(func() { c.run(stop) })
	}
	fmt.Println("histload: running")
	wg.Wait()
	if *events {
		if err := recordEvents(all, rec, *settle); err != nil {
			fatal(err)
		}
	}
	if err := errors.Join(buffered.Flush(), f.Close()); err != nil {
		fatal(err)
	}
	summary, _ := json.Marshal(rec.n)
	fmt.Println(string(summary))
}

func dial(endpoints []string) *clientv3.Client {
	c, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, DialTimeout: 2 * time.Second, Logger: zap.NewNop(),
		DialKeepAliveTime: 2 * time.Second, DialKeepAliveTimeout: 2 * time.Second,
	})
	if err != nil {
		fatal(err)
	}
	return c
}

type client struct {
	id       int
	endpoint string
	kv       *clientv3.Client
	rec      *recorder
	random   *rand.Rand
	base     time.Time
	timeout  time.Duration
	pause    time.Duration
	keys     int
	written  int
	seen     map[string]int64 // newest mod revision this client knows of a key
}

func (c *client) run(stop context.Context) {
	ticker := time.NewTicker(c.pause)
	defer ticker.Stop()
	for {
		select {
		case <-stop.Done():
			c.kv.Close()
			return
		case <-ticker.C:
		}
		c.one()
	}
}

// one performs and records one operation. Its own deadline holds, not the end of the run: an
// operation under way is finished, so that its outcome is known where possible.
func (c *client) one() {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	r := history.Record{Client: c.id, Endpoint: c.endpoint, Key: fmt.Sprintf("h/%03d", c.random.IntN(c.keys))}
	switch n := c.random.IntN(100); {
	case n < 35:
		r.Kind = "put"
	case n < 60:
		r.Kind = "cas"
	case n < 85:
		r.Kind = "get"
	case n < 92:
		r.Kind = "sget"
	default:
		r.Kind = "delete"
	}
	if r.Kind == "put" || r.Kind == "cas" {
		c.written++
		r.Value = fmt.Sprintf("%d.%d", c.id, c.written)
	}
	r.Expect = 0
	if r.Kind == "cas" {
		r.Expect = c.seen[r.Key]
	}
	r.Call = time.Since(c.base).Nanoseconds()
	err := c.do(ctx, &r)
	r.Return = time.Since(c.base).Nanoseconds()
	r.Outcome = history.OK
	if err != nil {
		r.Error = err.Error()
		r.Outcome = history.Unknown
		if neverExecuted(err) {
			r.Outcome = history.Failed
		}
	}
	c.rec.write(r)
}

func (c *client) do(ctx context.Context, r *history.Record) error {
	switch r.Kind {
	case "put":
		resp, err := c.kv.Put(ctx, r.Key, r.Value)
		if err != nil {
			return err
		}
		r.Revision = resp.Header.Revision
		c.seen[r.Key] = r.Revision
	case "delete":
		resp, err := c.kv.Delete(ctx, r.Key)
		if err != nil {
			return err
		}
		r.Revision, r.Deleted = resp.Header.Revision, resp.Deleted
		c.seen[r.Key] = 0
	case "get", "sget":
		var options []clientv3.OpOption
		if r.Kind == "sget" {
			options = append(options, clientv3.WithSerializable())
		}
		resp, err := c.kv.Get(ctx, r.Key, options...)
		if err != nil {
			return err
		}
		r.Revision = resp.Header.Revision
		c.saw(r, (*clientv3.GetResponse)(resp))
	case "cas":
		resp, err := c.kv.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(r.Key), "=", r.Expect)).
			Then(clientv3.OpPut(r.Key, r.Value)).
			Else(clientv3.OpGet(r.Key)).Commit()
		if err != nil {
			return err
		}
		r.Revision, r.Succeeded = resp.Header.Revision, resp.Succeeded
		if resp.Succeeded {
			c.seen[r.Key] = r.Revision
		} else {
			c.saw(r, (*clientv3.GetResponse)(resp.Responses[0].GetResponseRange()))
		}
	}
	return nil
}

func (c *client) saw(r *history.Record, resp *clientv3.GetResponse) {
	c.seen[r.Key] = 0
	if len(resp.Kvs) == 1 {
		r.Found, r.GotValue, r.GotMod = true, string(resp.Kvs[0].Value), resp.Kvs[0].ModRevision
		c.seen[r.Key] = r.GotMod
	}
}

// neverExecuted: refusals that a server gives before it proposes anything.
func neverExecuted(err error) bool {
	return errors.Is(err, rpctypes.ErrTooManyRequests) || errors.Is(err, rpctypes.ErrNoSpace)
}

// recordEvents waits until each endpoint serves a linearizable read, then writes what its watch
// from revision 1 tells up to the newest revision of all.
func recordEvents(endpoints []string, rec *recorder, settle time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), settle)
	defer cancel()
	newest := int64(0)
	clients := make([]*clientv3.Client, len(endpoints))
	for i, e := range endpoints {
		clients[i] = dial([]string{e})
		defer clients[i].Close()
		for {
			one, cancelOne := context.WithTimeout(ctx, 2*time.Second)
			resp, err := clients[i].Get(one, "h/")
			cancelOne()
			if err == nil {
				newest = max(newest, resp.Header.Revision)
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%s does not serve again: %w", e, err)
			}
		}
	}
	for i, e := range endpoints {
		if err := watchAll(ctx, clients[i], e, newest, rec); err != nil {
			return fmt.Errorf("watch at %s: %w", e, err)
		}
	}
	return nil
}

func watchAll(ctx context.Context, c *clientv3.Client, endpoint string, newest int64, rec *recorder) error {
	at := int64(1)
	if newest == at {
		return nil
	}
	for w := range c.Watch(ctx, "", clientv3.WithPrefix(), clientv3.WithRev(1), clientv3.WithProgressNotify()) {
		if err := w.Err(); err != nil {
			return err
		}
		for _, e := range w.Events {
			r := history.Record{Kind: "event", Endpoint: endpoint, Key: string(e.Kv.Key), Value: string(e.Kv.Value), Revision: e.Kv.ModRevision}
			if e.Type == clientv3.EventTypeDelete {
				r.Deleted = 1
			}
			rec.write(r)
			at = r.Revision
		}
		if at >= newest {
			return nil
		}
	}
	return fmt.Errorf("ended at revision %d of %d: %w", at, newest, ctx.Err())
}

// clientv3 ENDPOINT: etcd's Go client against a server, as programs use it. Prints "ok NAME" or
// "FAIL NAME: why" for each check. After "RESTART" it waits for a line on its standard input, before
// which the server is to be restarted on its data. The exit code is 1 when a check failed.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
)

// How long a check may take on a busy machine.
const patience = 60 * time.Second

var stdin = bufio.NewReader(os.Stdin)

type check struct {
	name string
	run  func(ctx context.Context, c *clientv3.Client) error
}

var checks = []check{
	{"unary calls", unary},
	{"large messages", large},
	{"many calls at once", many},
	{"gzip", compressed},
	{"watch", watch},
	{"a hundred watchers on one stream", watchers},
	{"lease, keep-alive, session and lock", leases},
	{"snapshot stream", snapshot},
	{"deadlines", deadlines},
	{"cancel", cancels},
	{"reconnect after a restart", reconnect},
}

func main() {
	endpoint := os.Args[1]
	failed := false
	for _, ch := range checks {
		if err := run(ch, endpoint); err != nil {
			failed = true
			fmt.Printf("FAIL %s: %v\n", ch.name, err)
		} else {
			fmt.Printf("ok %s\n", ch.name)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func run(ch check, endpoint string) error {
	c, err := dial(endpoint)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return ch.run(ctx, c)
}

func dial(endpoint string, options ...grpc.DialOption) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints:          []string{endpoint},
		DialTimeout:        10 * time.Second,
		MaxCallSendMsgSize: 16 << 20,
		DialOptions:        options,
	})
}

func conn(c *clientv3.Client) (*grpc.ClientConn, error) {
	target := c.Endpoints()[0][len("http://"):]
	return grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func want(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func unary(ctx context.Context, c *clientv3.Client) error {
	if _, err := c.Put(ctx, "unary/a", "1"); err != nil {
		return err
	}
	txn, err := c.Txn(ctx).If(clientv3.Compare(clientv3.Value("unary/a"), "=", "1")).
		Then(clientv3.OpPut("unary/b", "2"), clientv3.OpGet("unary/", clientv3.WithPrefix())).Commit()
	if err != nil {
		return err
	}
	if n := len(txn.Responses[1].GetResponseRange().Kvs); !txn.Succeeded || n != 2 {
		return fmt.Errorf("txn: succeeded %v, %d keys", txn.Succeeded, n)
	}
	deleted, err := c.Delete(ctx, "unary/", clientv3.WithPrefix(), clientv3.WithPrevKV())
	if err != nil {
		return err
	}
	if _, err = c.Get(ctx, ""); !errors.Is(err, rpctypes.ErrEmptyKey) {
		return fmt.Errorf("an empty key: %v", err)
	}
	return want(deleted.Deleted == 2 && len(deleted.PrevKvs) == 2, "deleted %d", deleted.Deleted)
}

func large(ctx context.Context, c *clientv3.Client) error {
	value := make([]byte, 1_400_000)
	rand.Read(value)
	for i := range 12 {
		if _, err := c.Put(ctx, fmt.Sprintf("large/%d", i), string(value)); err != nil {
			return err
		}
	}
	all, err := c.Get(ctx, "large/", clientv3.WithPrefix())
	if err != nil {
		return err
	}
	for _, kv := range all.Kvs {
		if !bytes.Equal(kv.Value, value) {
			return fmt.Errorf("%s came back changed", kv.Key)
		}
	}
	if len(all.Kvs) != 12 {
		return fmt.Errorf("%d keys", len(all.Kvs))
	}
	_, err = c.Put(ctx, "large/x", string(make([]byte, 1_600_000)))
	if !errors.Is(err, rpctypes.ErrRequestTooLarge) {
		return fmt.Errorf("1.6 MB: %v", err)
	}
	_, err = c.Put(ctx, "large/x", string(make([]byte, 3_000_000)))
	text := "grpc: received message larger than max (3000014 vs. 2097152)"
	if s, _ := status.FromError(err); s.Code() != codes.ResourceExhausted || s.Message() != text {
		return fmt.Errorf("3 MB: %v", err)
	}
	_, err = c.Delete(ctx, "large/", clientv3.WithPrefix())
	return err
}

func many(ctx context.Context, c *clientv3.Client) error {
	var group sync.WaitGroup
	faults := make(chan error, 64)
	for i := range 64 {
		group.Go(func() {
			for j := range 30 {
				key := fmt.Sprintf("many/%d/%d", i, j)
				if _, err := c.Put(ctx, key, key); err != nil {
					faults <- err
					return
				}
				got, err := c.Get(ctx, key)
				if err == nil && (len(got.Kvs) != 1 || string(got.Kvs[0].Value) != key) {
					err = fmt.Errorf("%s is not there", key)
				}
				if err != nil {
					faults <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(faults)
	return <-faults
}

func compressed(ctx context.Context, c *clientv3.Client) error {
	z, err := dial(c.Endpoints()[0], grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	if err != nil {
		return err
	}
	defer z.Close()
	value := string(bytes.Repeat([]byte("compress me "), 50_000))
	events := z.Watch(ctx, "gzip")
	if _, err := z.Put(ctx, "gzip", value); err != nil {
		return err
	}
	got, err := z.Get(ctx, "gzip")
	if err != nil {
		return err
	}
	if string(got.Kvs[0].Value) != value {
		return errors.New("the value came back changed")
	}
	// The watch may have begun behind the put; then there is nothing to see.
	if _, err := z.Put(ctx, "gzip", "small"); err != nil {
		return err
	}
	for response := range events {
		for _, event := range response.Events {
			if string(event.Kv.Value) == "small" {
				return nil
			}
		}
	}
	return errors.New("the watch ended")
}

func watch(ctx context.Context, c *clientv3.Client) error {
	first, err := c.Put(ctx, "watch/a", "0")
	if err != nil {
		return err
	}
	events := c.Watch(ctx, "watch/", clientv3.WithPrefix(), clientv3.WithPrevKV(),
		clientv3.WithRev(first.Header.Revision))
	for i := 1; i < 200; i++ {
		if _, err := c.Put(ctx, "watch/a", fmt.Sprint(i)); err != nil {
			return err
		}
	}
	next := 0
	for response := range events {
		for _, event := range response.Events {
			if string(event.Kv.Value) != fmt.Sprint(next) {
				return fmt.Errorf("event %s instead of %d", event.Kv.Value, next)
			}
			if next > 0 && string(event.PrevKv.Value) != fmt.Sprint(next-1) {
				return fmt.Errorf("previous value %s of %d", event.PrevKv.Value, next)
			}
			next++
		}
		if next == 200 {
			return nil
		}
	}
	return errors.New("the watch ended")
}

func watchers(ctx context.Context, c *clientv3.Client) error {
	var channels []clientv3.WatchChan
	for i := range 100 {
		channels = append(channels, c.Watch(ctx, fmt.Sprintf("watchers/%d", i), clientv3.WithCreatedNotify()))
	}
	for _, ch := range channels {
		if response := <-ch; !response.Created {
			return fmt.Errorf("not created: %v", response.Err())
		}
	}
	for i := range 100 {
		if _, err := c.Put(ctx, fmt.Sprintf("watchers/%d", i), "x"); err != nil {
			return err
		}
	}
	for i, ch := range channels {
		if response := <-ch; len(response.Events) != 1 {
			return fmt.Errorf("watcher %d: %d events", i, len(response.Events))
		}
	}
	return nil
}

func leases(ctx context.Context, c *clientv3.Client) error {
	lease, err := c.Grant(ctx, 60)
	if err != nil {
		return err
	}
	for range 100 {
		if _, err := c.KeepAliveOnce(ctx, lease.ID); err != nil {
			return err
		}
	}
	session, err := concurrency.NewSession(c, concurrency.WithTTL(30))
	if err != nil {
		return err
	}
	lock := concurrency.NewMutex(session, "lock")
	if err := lock.Lock(ctx); err != nil {
		return err
	}
	if err := lock.Unlock(ctx); err != nil {
		return err
	}
	if err := session.Close(); err != nil {
		return err
	}
	if _, err := c.Revoke(ctx, lease.ID); err != nil {
		return err
	}
	_, err = c.KeepAliveOnce(ctx, lease.ID)
	return want(errors.Is(err, rpctypes.ErrLeaseNotFound), "after the revoke: %v", err)
}

func snapshot(ctx context.Context, c *clientv3.Client) error {
	stream, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	n, err := io.Copy(io.Discard, stream)
	if err != nil {
		return err
	}
	return want(n%512 == 32 && n > 512, "%d bytes", n)
}

func deadlines(ctx context.Context, c *clientv3.Client) error {
	passed, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	if _, err := c.Get(passed, "x"); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("get: %v", err)
	}
	cc, err := conn(c)
	if err != nil {
		return err
	}
	defer cc.Close()
	short, cancelShort := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancelShort()
	stream, err := pb.NewWatchClient(cc).Watch(short)
	if err == nil {
		_, err = stream.Recv()
	}
	return want(status.Code(err) == codes.DeadlineExceeded, "watch: %v", err)
}

func cancels(ctx context.Context, c *clientv3.Client) error {
	cc, err := conn(c)
	if err != nil {
		return err
	}
	defer cc.Close()
	for range 50 {
		mine, cancel := context.WithCancel(ctx)
		stream, err := pb.NewWatchClient(cc).Watch(mine)
		if err != nil {
			cancel()
			return err
		}
		cancel()
		if _, err = stream.Recv(); status.Code(err) != codes.Canceled {
			return fmt.Errorf("watch: %v", err)
		}
	}
	mine, cancel := context.WithCancel(ctx)
	events := c.Watch(mine, "cancel", clientv3.WithCreatedNotify())
	<-events
	cancel()
	for range events {
	}
	_, err = c.Get(ctx, "x")
	return err
}

func reconnect(ctx context.Context, c *clientv3.Client) error {
	lease, err := c.Grant(ctx, 120)
	if err != nil {
		return err
	}
	alive, err := c.KeepAlive(ctx, lease.ID)
	if err != nil {
		return err
	}
	<-alive
	events := c.Watch(ctx, "reconnect", clientv3.WithCreatedNotify())
	<-events
	if _, err := c.Put(ctx, "reconnect", "before"); err != nil {
		return err
	}
	if response := <-events; len(response.Events) != 1 {
		return fmt.Errorf("before the restart: %v", response)
	}
	fmt.Println("RESTART")
	if _, err := stdin.ReadString('\n'); err != nil {
		return err
	}
	for {
		_, err := c.Put(ctx, "reconnect", "after", clientv3.WithLease(lease.ID))
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return err
		}
	}
	for {
		response, open := <-events
		if !open || response.Err() != nil {
			return fmt.Errorf("the watch did not survive: %v", response.Err())
		}
		if n := len(response.Events); n > 0 && string(response.Events[n-1].Kv.Value) == "after" {
			break
		}
	}
	if _, err := c.KeepAliveOnce(ctx, lease.ID); err != nil {
		return err
	}
	return nil
}

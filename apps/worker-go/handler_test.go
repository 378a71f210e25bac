package workergo_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	workergo "github.com/muster-dev/muster/apps/worker-go"
	muster "github.com/muster-dev/muster/packages/worker-core-go"
)

type vector struct {
	Name    string
	Order   workergo.Order
	Fraud   string
	Outcome string
	Error   string
	Result  any
}

func TestOrderVectors(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../packages/contracts/vectors/orders.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []vector }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no vectors")
	}
	conns := map[string]*nats.Conn{"answers": serve(t), "silent": serve(t)}
	_, err = conns["answers"].Subscribe("fraud.check", func(m *nats.Msg) { _ = m.Respond([]byte(`{}`)) })
	if err != nil {
		t.Fatal(err)
	}
	handle := workergo.NewHandler(0)
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			got, err := handle(context.Background(), c.Order, &muster.Delivery{Conn: conns[c.Fraud]})
			var permanent *muster.PermanentError
			outcome := "done"
			switch {
			case errors.As(err, &permanent):
				outcome = "permanent"
			case err != nil:
				outcome = "retryable"
			}
			if outcome != c.Outcome || (err != nil && err.Error() != c.Error) {
				t.Fatalf("got %s %v, want %s %q", outcome, err, c.Outcome, c.Error)
			}
			if err == nil && !reflect.DeepEqual(asJSON(t, got), c.Result) {
				t.Fatalf("got %v, want %v", asJSON(t, got), c.Result)
			}
		})
	}
}

func TestReadWorkNamesTheVariable(t *testing.T) {
	t.Parallel()
	if work, err := workergo.ReadWork("25"); err != nil || work != 25*time.Millisecond {
		t.Fatal(work, err)
	}
	for _, bad := range []string{"-1", "1.5", "soon"} {
		if _, err := workergo.ReadWork(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func asJSON(t *testing.T, value any) (out any) {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// serve starts a nats-server of the test's own and connects to it.
func serve(t *testing.T) *nats.Conn {
	t.Helper()
	program := os.Getenv("MUSTER_NATS_SERVER")
	if program == "" {
		program = filepath.Join("..", "..", ".muster", "bin", "nats-server")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	server := exec.Command(program, "-a", "127.0.0.1", "-p", strconv.Itoa(port))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	url := "nats://127.0.0.1:" + strconv.Itoa(port)
	conn, err := nats.Connect(url, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	return conn
}

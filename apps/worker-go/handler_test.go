package workergo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/muster-dev/muster/apps/worker-go/contracts"
	muster "github.com/muster-dev/muster/packages/worker-core-go"
	"github.com/nats-io/nats.go"
)

//nolint:paralleltest,tparallel // The cases take the questions that they caused from one channel, in turn.
func TestOrders(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../packages/contracts/vectors/orders.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			Name    string            `json:"name"`
			Order   contracts.OrderV1 `json:"order"`
			Fraud   string            `json:"fraud"`
			Outcome string            `json:"outcome"`
			Error   string            `json:"error"`
			Result  any               `json:"result"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(data, &vectors); err != nil || len(vectors.Cases) == 0 {
		t.Fatalf("%d cases, %v", len(vectors.Cases), err)
	}
	silent, answers := connect(t), connect(t)
	asked := make(chan string, len(vectors.Cases))
	if _, err := answers.Subscribe(fraudSubject, func(m *nats.Msg) {
		asked <- string(m.Data)
		_ = m.Respond([]byte(`{"ok":true}`))
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range vectors.Cases {
		t.Run(c.Name, func(t *testing.T) {
			conn := silent
			if c.Fraud == "answers" {
				conn = answers
			}
			result, err := Handler(0)(t.Context(), c.Order, &muster.Delivery{Conn: conn})
			outcome, text := outcomeOf(err)
			if outcome != c.Outcome || text != c.Error || !reflect.DeepEqual(plain(t, result), c.Result) {
				t.Errorf("%s %q %v", outcome, text, result)
			}
			if p, ok := result.(Projection); ok && p.FraudChecked {
				var question map[string]any
				_ = json.Unmarshal([]byte(<-asked), &question)
				want := map[string]any{"order_id": c.Order.ID, "customer": c.Order.Customer, "amount": c.Order.Amount}
				if !reflect.DeepEqual(question, want) {
					t.Errorf("asked %v", question)
				}
			}
		})
	}
}

func TestWorkTimeIsAWholeNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"": 0, "0": 0, "250": 250 * time.Millisecond} {
		if got, err := WorkTime(func(string) string { return text }); err != nil || got != want {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"-1", "1.5", "soon"} {
		if _, err := WorkTime(func(string) string { return text }); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func outcomeOf(err error) (outcome, text string) {
	var permanent *muster.PermanentError
	switch {
	case err == nil:
		return "done", ""
	case errors.As(err, &permanent):
		return "permanent", err.Error()
	default:
		return "retryable", err.Error()
	}
}

func plain(t *testing.T, value any) (decoded any) {
	t.Helper()
	data, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(data, &decoded)
	}
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// connect gives a connection to a server of its own, so that nobody else answers.
func connect(t *testing.T) *nats.Conn {
	t.Helper()
	binary, err := filepath.Abs("../../.muster/bin/nats-server")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		binary = "nats-server"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	cmd := exec.Command(binary, "-a", "127.0.0.1", "-p", fmt.Sprint(port))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	nc, err := nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", port),
		nats.RetryOnFailedConnect(true), nats.ReconnectWait(20*time.Millisecond), nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if err := nc.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	return nc
}

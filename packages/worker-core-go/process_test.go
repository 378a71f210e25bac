package muster

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

var conformanceBinary = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(shared.dir, "conformance-worker")
	out, err := exec.Command("go", "build", "-o", binary, "./cmd/conformance-worker").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
})

// process starts a conformance worker; the channel gives its end.
func (g *group) process(member string, env ...string) (*exec.Cmd, <-chan error) {
	g.t.Helper()
	binary, err := conformanceBinary()
	must(g.t, err)
	return g.program(binary, member, env...)
}

// program starts a worker; the channel gives its end.
func (g *group) program(binary, member string, env ...string) (*exec.Cmd, <-chan error) {
	g.t.Helper()
	cmd := exec.Command(binary)
	cmd.Env = append([]string{
		"NATS_URL=" + g.server.url, "MUSTER_STREAM=" + g.stream, "MUSTER_GROUP=" + g.name, "WORKER_ID=" + member,
		"MUSTER_HEARTBEAT_MS=250", "LOG_LEVEL=error",
	}, env...)
	must(g.t, cmd.Start())
	ended := make(chan error, 1)
	var wait sync.WaitGroup
	wait.Go(func() { ended <- cmd.Wait() })
	g.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Kill()
		wait.Wait()
	})
	return cmd, ended
}

func killed(t *testing.T, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("ended with %v", err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("not killed")
	}
}

func TestKilledAtAnyStepTheMessageIsSettledOnce(t *testing.T) {
	t.Parallel()
	for step, verb := range map[string]string{
		"received": "return", "row_done": "return", "row_dead": "permanent", "dead_lettered": "permanent", "attempt_recorded": "retryable;times=1",
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t, shared).apply()
			_, ended := g.process("m", conformanceKillAt+"="+step)
			g.publish("a", order("a", 1), conformanceHeader, verb)
			killed(t, ended)
			second, leaving := g.process("n")
			g.settled()
			letters := len(g.deadLetters())
			row := g.row("a")
			equal(t, []any{row.Status == "done", letters}, []any{verb != "permanent", map[bool]int{true: 1}[verb == "permanent"]})
			must(t, second.Process.Signal(syscall.SIGTERM))
			must(t, <-leaving)
			equal(t, g.member("n"), (*memberRecord)(nil))
		})
	}
}

func TestAMessageThatKillsItsProcessTakesNoNeighbourWithIt(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["concurrency"] = 50
	g.spec["ack_wait_ms"] = 1000
	g.apply()
	_, err := g.js.UpdateConsumer(t.Context(), g.stream, g.consumerConfig(time.Second))
	must(t, err)
	for i := range 100 {
		verb := "block;ms=20"
		if i == 50 {
			verb = "exit"
		}
		g.publish(strconv.Itoa(i), order("a", 1), conformanceHeader, verb)
	}
	for i := 0; g.messages() > 0; i++ {
		_, ended := g.process(fmt.Sprint("m", i))
		eventually(t, "the process to die or the stream to be empty", func() bool { return len(ended) > 0 || g.messages() == 0 })
		if i > 10 {
			t.Fatal("it never ends")
		}
	}
	header := Header(g.deadLetter().Header).last()
	equal(t, []string{header["Muster-Dlq-Event-Id"], header["Muster-Dlq-Reason"], header["Muster-Dlq-Error-Class"]}, []string{"50", "crash_loop", "NeverReported"})
}

func TestAProcessThatWasStoppedDisturbsNobody(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	first, _ := g.process("m")
	g.publish("a", order("a", 1), conformanceHeader, "block;ms=1000")
	eventually(t, "the first member to work", func() bool { r := g.member("m"); return r != nil && r.InFlight == 1 })
	must(t, first.Process.Signal(syscall.SIGSTOP))
	g.process("n")
	g.settled()
	must(t, first.Process.Signal(syscall.SIGCONT))
	eventually(t, "the first member to have ended", func() bool { r := g.member("m"); return r != nil && r.InFlight == 0 })
	equal(t, []any{g.row("a").Member, len(g.deadLetters())}, []any{"n", 0})
}

package muster

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTheReadmeShowsTheExample(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("example_test.go")
	must(t, err)
	readme, err := os.ReadFile("README.md")
	must(t, err)
	_, code, _ := strings.Cut(string(example), "func Example() {\n")
	code = strings.TrimSuffix(code, "}\n")
	for line := range strings.Lines(code) {
		if line = strings.TrimPrefix(line, "\t"); !strings.Contains(string(readme), line) {
			t.Errorf("the README lacks %q", line)
		}
	}
}

// The README's program, built as it stands there into a static binary, on a real server.
func TestTheReadmesProgramRuns(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	must(t, err)
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	program, _, _ := strings.Cut(rest, "```")
	binary := buildStatic(t, program)
	file, err := elf.Open(binary)
	must(t, err)
	defer func() { _ = file.Close() }()
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			t.Error("it is not static")
		}
	}
	g := newGroup(t, shared).apply()
	cmd, ended := g.program(binary, "m")
	g.publish("good", order("o-1", 12.5))
	g.publish("bad", order("o-2", -1))
	g.settled()
	equal(t, string(g.row("good").Result), `{"amount":12.5,"order_id":"o-1"}`)
	equal(t, Header(g.deadLetter().Header).last()["Muster-Dlq-Error"], "negative amount")
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	must(t, <-ended)
}

// buildStatic builds a program as if it lay in this module.
func buildStatic(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	source, overlay, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "worker")
	must(t, os.WriteFile(source, []byte(program), 0o600))
	here, err := filepath.Abs("cmd/readme/main.go")
	must(t, err)
	replace := map[string]any{"Replace": map[string]string{here: source}}
	must(t, os.WriteFile(overlay, mustJSON(replace), 0o600))
	build := exec.Command("go", "build", "-overlay", overlay, "-o", binary, "./cmd/readme")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

package muster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDatabaseURLFromAFile(t *testing.T) {
	t.Parallel()
	const url = "postgres://muster:secret@db/muster"
	load := func(env map[string]string) (string, string) {
		config, err := LoadConfig(func(name string) string {
			return map[string]string{
				"NATS_URL": "nats://127.0.0.1:4222", "MUSTER_STREAM": "ORDERS", "MUSTER_GROUP": "g",
				"DATABASE_URL": env["DATABASE_URL"], "DATABASE_URL_FILE": env["DATABASE_URL_FILE"],
			}[name]
		})
		if err != nil {
			return "", err.Error()
		}
		return config.DatabaseURL, ""
	}
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}

	if got, problem := load(map[string]string{"DATABASE_URL_FILE": write("url", url+"\n")}); got != url {
		t.Errorf("got %q (%s), not what the file holds", got, problem)
	}
	for name, env := range map[string]map[string]string{
		"a file that is not there":  {"DATABASE_URL_FILE": filepath.Join(t.TempDir(), "none")},
		"a file without a URL":      {"DATABASE_URL_FILE": write("bad", "http://user:secret@x")},
		"an empty file":             {"DATABASE_URL_FILE": write("empty", "\n")},
		"a file and a variable too": {"DATABASE_URL_FILE": write("both", url), "DATABASE_URL": url},
	} {
		_, problem := load(env)
		if !strings.HasPrefix(problem, "DATABASE_URL_FILE: ") || strings.Contains(problem, "secret") {
			t.Errorf("%s: the problem is told as %q", name, problem)
		}
	}
}

package muster

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Config is what a member needs to know to join its group.
type Config struct {
	// Servers are NATS URLs, at least one.
	Servers []string
	// Login are files to log in with. Default: the login of the first URL, or none.
	Login LoginFiles
	// Stream and Group name the group to join.
	Stream string
	Group  string
	// Member is the member's id, unique in the group while it lives.
	Member string
	// APIPrefix of JetStream, where accounts remap it. Default $JS.API.
	APIPrefix string
	// InboxPrefix is what the subjects begin with on which answers and messages come. Default _INBOX.
	InboxPrefix string
	// Heartbeat is the time between two heartbeats, each with a poll of the spec. Default 5 s.
	Heartbeat time.Duration
	// Grace is how long a drain waits for running handlers.
	Grace time.Duration
	// LogLevel of the log on stdout. Default info.
	LogLevel slog.Level
	// Version of the application, told in records and dead letters. Default [CoreVersion].
	Version string
	// HTTPPort of /metrics, /livez and /readyz; nil: none, 0: any free one.
	HTTPPort *int
	// HTTPHost is the address it listens on. Default 127.0.0.1.
	HTTPHost string
	// DatabaseURL is where the ledger is, for groups with ledger postgres.
	DatabaseURL string
	// ConfirmAcks asks the server to confirm each ack before its place is given to the next message.
	// Costs speed, and narrows, but does not close, the time in which a killed server forgets an ack.
	ConfirmAcks bool
	// StallAfter is the silence of a pull after which the watchdog asks the server. Default 30 s.
	StallAfter time.Duration
	// Middleware runs around each handler of one message, the first one outermost.
	Middleware []Middleware
	// Events are told what happens to the worker.
	Events Events
	// OnStep, if set, is called with the name of each step that a delivery passes: received,
	// row_done, row_dead, dead_lettered, attempt_recorded. For tests that kill the process there.
	OnStep func(step string)
	// Log, if set, replaces the JSON log on stdout.
	Log *slog.Logger
}

const (
	// defaultPrefix is JetStream's own.
	defaultPrefix = "$JS.API"
	defaultInbox  = "_INBOX"
)

func (c Config) withDefaults() Config {
	if c.APIPrefix == "" {
		c.APIPrefix = defaultPrefix
	}
	if c.InboxPrefix == "" {
		c.InboxPrefix = defaultInbox
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 5 * time.Second
	}
	if c.Version == "" {
		c.Version = CoreVersion
	}
	if c.HTTPHost == "" {
		c.HTTPHost = "127.0.0.1"
	}
	if c.StallAfter == 0 {
		c.StallAfter = defaultStall
	}
	if c.OnStep == nil {
		c.OnStep = func(string) {}
	}
	if c.Log == nil {
		c.Log = newLog(os.Stdout, c)
	}
	return c
}

// LoadConfig reads the environment of the protocol. The error is of [CodeBadConfig]; its message
// has one line for each bad variable.
func LoadConfig(getenv func(string) string) (Config, error) {
	r := &envReader{getenv: getenv}
	c := Config{
		Servers:     r.servers(),
		Login:       r.login(),
		Stream:      r.name("MUSTER_STREAM", ""),
		Group:       r.name("MUSTER_GROUP", ""),
		Member:      r.name("WORKER_ID", defaultMember()),
		APIPrefix:   r.prefix("MUSTER_API_PREFIX", defaultPrefix),
		InboxPrefix: r.prefix("MUSTER_INBOX_PREFIX", defaultInbox),
		Heartbeat:   ms(r.number("MUSTER_HEARTBEAT_MS", 5000, 250, 5000)),
		Grace:       ms(r.number("MUSTER_GRACE_MS", 25000, 0, 3_600_000)),
		LogLevel:    r.level(),
		Version:     r.text("MUSTER_APP_VERSION", CoreVersion),
		HTTPPort:    r.port(),
		HTTPHost:    r.text("MUSTER_HTTP_HOST", "127.0.0.1"),

		DatabaseURL: r.database(),
	}
	if len(r.problems) > 0 {
		return Config{}, &Error{Code: CodeBadConfig, Message: strings.Join(r.problems, "\n")}
	}
	return c, nil
}

type envReader struct {
	getenv   func(string) string
	problems []string
}

func (r *envReader) text(name, fallback string) string {
	if s := strings.TrimSpace(r.getenv(name)); s != "" {
		return s
	}
	return fallback
}

func (r *envReader) badf(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *envReader) servers() []string {
	var servers []string
	for part := range strings.SplitSeq(r.text("NATS_URL", ""), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		servers = append(servers, part)
		if !isServerURL(part) {
			// Not the URL itself: it may hold a password.
			r.badf("NATS_URL: entry %d is no URL like nats://host:port (nats, tls, ws, wss)", len(servers))
		}
	}
	if len(servers) == 0 {
		r.badf("NATS_URL: required, for example nats://127.0.0.1:4222")
	}
	return servers
}

func (r *envReader) name(variable, fallback string) string {
	value := r.text(variable, fallback)
	switch {
	case value == "":
		r.badf("%s: required", variable)
	case !IsName(value):
		r.badf("%s: %q does not match %s", variable, value, namePattern)
	}
	return value
}

func (r *envReader) port() *int {
	if r.text("MUSTER_HTTP_PORT", "") == "" {
		return nil
	}
	port := int(r.number("MUSTER_HTTP_PORT", 0, 0, 65_535))
	return &port
}

// database is the URL, or what stands in its file: there, as orchestrators mount secrets, it stands
// in nobody's environment.
func (r *envReader) database() string {
	variable, value, file := "DATABASE_URL", r.text("DATABASE_URL", ""), r.text("DATABASE_URL_FILE", "")
	switch {
	case value != "" && file != "":
		r.badf("DATABASE_URL_FILE: set beside DATABASE_URL; keep one of them")
		return ""
	case file != "":
		content, err := os.ReadFile(file)
		if err != nil {
			r.badf("DATABASE_URL_FILE: %v", err)
			return ""
		}
		variable, value = "DATABASE_URL_FILE", strings.TrimSpace(string(content))
	case value == "":
		return ""
	}
	if u, err := url.Parse(value); err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		// Not the URL itself: it may hold a password.
		r.badf("%s: no URL like postgres://user@host/database", variable)
	}
	return value
}

func (r *envReader) login() LoginFiles {
	files := LoginFiles{Creds: r.getenv("NATS_CREDS"), Nkey: r.getenv("NATS_NKEY"), CA: r.getenv("NATS_CA")}
	first, _, _ := strings.Cut(r.text("NATS_URL", ""), ",")
	u, err := url.Parse(strings.TrimSpace(first))
	r.problems = append(r.problems, files.problems(err == nil && u.User.String() != "")...)
	return files
}

func (r *envReader) prefix(variable, fallback string) string {
	value := strings.TrimSuffix(r.text(variable, fallback), ".")
	if !IsSubject(value) {
		r.badf("%s: %q is no subject prefix", variable, value)
	}
	return value
}

func (r *envReader) number(variable string, fallback, low, high int64) int64 {
	value := r.text(variable, strconv.FormatInt(fallback, 10))
	n, ok := parseDigits(value)
	if !ok || int64(n) < low || int64(n) > high {
		r.badf("%s: %q is not a whole number from %d to %d", variable, value, low, high)
		return fallback
	}
	return int64(n)
}

func (r *envReader) level() slog.Level {
	value := r.text("LOG_LEVEL", "info")
	level, ok := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}[value]
	if !ok {
		r.badf("LOG_LEVEL: %q is none of debug, info, warn, error", value)
	}
	return level
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_-]`)

// defaultMember is <host>-<pid>, the host cut so that it is at most 60 characters.
func defaultMember() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "host"
	}
	host = notInName.ReplaceAllString(host, "-")
	pid := "-" + strconv.Itoa(os.Getpid())
	return host[:min(len(host), 60-len(pid))] + pid
}

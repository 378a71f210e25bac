package muster

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// httpPatience: a request must be there whole by then; an unused connection is closed by then.
	httpPatience = 3 * time.Second
	// maxConnections: beyond so many the oldest one goes, so a probe always gets in.
	maxConnections = 100
	maxRequest     = 8192
)

// endpoint serves /livez, /readyz and /metrics. Anybody who reaches the port may ask: it takes no
// body, and nobody can hold it by being slow.
type endpoint struct {
	log *slog.Logger
	// live is why the process should not be kept, ready why the member takes no messages.
	live    func() string
	ready   func() []string
	metrics *metrics

	port   int
	server *http.Server
	served sync.WaitGroup

	mu   sync.Mutex
	open []net.Conn
}

// listen opens the port, and logs it. The error is of [CodeCannotListen].
func (e *endpoint) listen(ctx context.Context, host string, port int) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		text := "MUSTER_HTTP_PORT: cannot listen on " + host + " port " + strconv.Itoa(port) + "; set it to another one, or to 0 for any"
		return &Error{Code: CodeCannotListen, Message: text, Err: err}
	}
	if address, ok := listener.Addr().(*net.TCPAddr); ok {
		e.port = address.Port
	}
	e.server = &http.Server{
		Handler: http.HandlerFunc(e.answer), ConnState: e.watch,
		ReadTimeout: httpPatience, ReadHeaderTimeout: httpPatience, WriteTimeout: 2 * httpPatience, IdleTimeout: httpPatience,
		MaxHeaderBytes: maxRequest, ErrorLog: slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
	}
	e.served.Go(func() {
		if err := e.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("http error", "code", "http_error", "error", errorText(err))
		}
	})
	e.log.Info("listening", "http_host", host, "http_port", e.port)
	return nil
}

// close ends it at once, with the connections that are open.
func (e *endpoint) close() {
	_ = e.server.Close()
	e.served.Wait()
}

func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if r.ContentLength != 0 {
		// Ends the connection after the answer: what follows would be the body.
		header.Set("Connection", "close")
	}
	switch path := r.URL.Path; {
	case path != "/livez" && path != "/readyz" && path != "/metrics":
		e.json(w, http.StatusNotFound, map[string]any{"error": "not found"})
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		e.json(w, http.StatusMethodNotAllowed, map[string]any{"error": "method not allowed"})
	case path == "/livez":
		if why := e.live(); why != "" {
			e.json(w, http.StatusServiceUnavailable, map[string]any{"live": false, "why": why})
			return
		}
		e.json(w, http.StatusOK, map[string]any{"live": true})
	case path == "/readyz":
		if why := e.ready(); len(why) > 0 {
			e.json(w, http.StatusServiceUnavailable, map[string]any{"ready": false, "why": why})
			return
		}
		e.json(w, http.StatusOK, map[string]any{"ready": true})
	default:
		var text bytes.Buffer
		if err := e.metrics.write(&text); err != nil {
			// Not told to the client: anybody may ask.
			e.log.Error("http error", "code", "http_error", "error", err.Error())
			e.json(w, http.StatusInternalServerError, map[string]any{"error": "internal error"})
			return
		}
		e.write(w, http.StatusOK, metricsContentType, text.Bytes())
	}
}

func (e *endpoint) json(w http.ResponseWriter, status int, value map[string]any) {
	e.write(w, status, "application/json", mustJSON(value))
}

func (e *endpoint) write(w http.ResponseWriter, status int, contentType string, data []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// watch closes the oldest connection when there are too many. Turning away the newest would let
// connections that do nothing keep the probe out, and the process would be killed for it.
func (e *endpoint) watch(conn net.Conn, state http.ConnState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch state {
	case http.StateNew:
		e.open = append(e.open, conn)
		if len(e.open) > maxConnections {
			_ = e.open[0].Close()
			e.open = e.open[1:]
		}
	case http.StateClosed, http.StateHijacked:
		for i, one := range e.open {
			if one == conn {
				e.open = append(e.open[:i], e.open[i+1:]...)
				return
			}
		}
	case http.StateActive, http.StateIdle:
	}
}

package muster

import (
	"io"
	"log/slog"
	"strings"
)

// newLog is one JSON object per line with the protocol's field names.
func newLog(out io.Writer, c Config) *slog.Logger {
	handler := slog.NewJSONHandler(out, &slog.HandlerOptions{Level: c.LogLevel, ReplaceAttr: plainAttr})
	return slog.New(handler).With("stream", c.Stream, "group", c.Group, "member", c.Member, "language", Language)
}

func plainAttr(groups []string, a slog.Attr) slog.Attr {
	switch {
	case len(groups) > 0:
	case a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime:
		return slog.String(slog.TimeKey, timestamp(a.Value.Time()))
	case a.Key == slog.LevelKey:
		return slog.String(slog.LevelKey, strings.ToLower(a.Value.String()))
	}
	return a
}

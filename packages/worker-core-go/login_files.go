package muster

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"regexp"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// LoginFiles are the files that log a member in to NATS, by their paths; "" where there is none.
type LoginFiles struct {
	// Creds is a user's credentials: JWT and seed.
	Creds string
	// Nkey is a user's nkey seed. Not beside Creds.
	Nkey string
	// CA are certificates of the authorities that the server's certificate must come from, in PEM. With
	// it a server without TLS is not used.
	CA string
}

// problems are one line for each file that cannot be used, which begins with its variable. What a file
// holds is in no line. hasURLLogin: a URL has a login already, and there can be only one.
func (f LoginFiles) problems(hasURLLogin bool) []string {
	var problems []string
	badf := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	check := func(variable, path string, isGood func([]byte) bool, what string) {
		if path == "" {
			return
		}
		if text, err := os.ReadFile(path); err != nil {
			badf("%s: %q cannot be read", variable, path)
		} else if !isGood(text) {
			badf("%s: %q %s", variable, path, what)
		}
	}
	check("NATS_CREDS", f.Creds, isCreds, "holds no user's credentials: a JWT and a seed SU…")
	check("NATS_NKEY", f.Nkey, func(text []byte) bool { return parseSeed(text) != nil }, "holds no user's seed SU…")
	check("NATS_CA", f.CA, isCertificates, "holds no certificate in PEM, or a broken one")
	if f.Creds != "" && f.Nkey != "" {
		badf("NATS_NKEY: NATS_CREDS is set too; keep one of them")
	}
	for _, file := range []struct{ variable, path string }{{"NATS_CREDS", f.Creds}, {"NATS_NKEY", f.Nkey}} {
		if file.path != "" && hasURLLogin {
			badf("%s: NATS_URL has a login already; keep one of them", file.variable)
		}
	}
	return problems
}

// options log in by the files.
func (f LoginFiles) options() ([]nats.Option, error) {
	var options []nats.Option
	if f.CA != "" {
		options = append(options, nats.RootCAs(f.CA))
	}
	login := &fileLogin{files: f}
	switch {
	case f.Creds != "":
		options = append(options, nats.UserJWT(
			func() (string, error) { jwt, _, err := login.read(); return jwt, err },
			login.sign,
		))
	case f.Nkey != "":
		_, seed, err := login.read()
		if err != nil {
			return nil, err
		}
		pair, err := nkeys.FromSeed(seed)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Nkey, err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Nkey, err)
		}
		options = append(options, nats.Nkey(public, func(nonce []byte) ([]byte, error) { return pair.Sign(nonce) }))
	}
	return options, nil
}

// fileLogin reads the files anew each time, so that credentials that were replaced are taken. While
// they cannot be read, or are half written, they are what they were before.
type fileLogin struct {
	files LoginFiles

	mu   sync.Mutex
	jwt  string
	seed []byte
}

func (l *fileLogin) read() (jwt string, seed []byte, err error) {
	path := l.files.Creds
	if path == "" {
		path = l.files.Nkey
	}
	text, err := os.ReadFile(path)
	l.mu.Lock()
	defer l.mu.Unlock()
	if fresh := parseSeed(text); err == nil && fresh != nil && (l.files.Creds == "" || parseJWT(text) != "") {
		l.jwt, l.seed = parseJWT(text), fresh
	}
	if l.seed == nil {
		return "", nil, fmt.Errorf("%s cannot be used any more", path)
	}
	return l.jwt, l.seed, nil
}

func (l *fileLogin) sign(nonce []byte) ([]byte, error) {
	_, seed, err := l.read()
	if err != nil {
		return nil, err
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.files.Creds, err)
	}
	defer pair.Wipe()
	return pair.Sign(nonce)
}

var (
	jwtRe  = regexp.MustCompile(`-{3,}BEGIN NATS USER JWT-{3,}\s+([A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]+)\s`)
	seedRe = regexp.MustCompile(`(?:^|\s)(SU[A-Z2-7]{56})(?:\s|$)`)
)

func isCreds(text []byte) bool { return parseJWT(text) != "" && parseSeed(text) != nil }

func parseJWT(text []byte) string {
	if match := jwtRe.FindSubmatch(text); match != nil {
		return string(match[1])
	}
	return ""
}

func parseSeed(text []byte) []byte {
	match := seedRe.FindSubmatch(text)
	if match == nil {
		return nil
	}
	if _, err := nkeys.FromSeed(match[1]); err != nil {
		return nil
	}
	return bytes.Clone(match[1])
}

func isCertificates(text []byte) bool {
	count := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return false
		}
		count++
	}
	return count > 0
}

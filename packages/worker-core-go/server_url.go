package muster

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
)

// isServerURL: whether it is the URL of a NATS server, with a login that can be decoded or none.
func isServerURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
		return false
	}
	password, _ := u.User.Password()
	return utf8.ValidString(u.User.Username()) && utf8.ValidString(password)
}

// splitServerURLs takes user and password out of server URLs. The login is the first one's, for all: the client would
// take each URL's own. A user alone is a token.
func splitServerURLs(urls []string) (servers string, login nats.Option) {
	bare := make([]string, len(urls))
	for i, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			bare[i] = text
			continue
		}
		if i == 0 {
			login = loginOf(u.User)
		}
		u.User = nil
		bare[i] = u.String()
	}
	return strings.Join(bare, ","), login
}

func loginOf(user *url.Userinfo) nats.Option {
	name := user.Username()
	if name == "" {
		return nil
	}
	if password, ok := user.Password(); ok && password != "" {
		return nats.UserInfo(name, password)
	}
	return nats.Token(name)
}

// Command probe asks a URL and exits with 0 where the answer is 200: the health check of an image
// that has neither a shell nor curl.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"
)

// timeout is below the one that the image gives its health check.
const timeout = 4 * time.Second

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: probe <url>")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Args[1], nil) //nolint:gosec // The URL is the one that its image gives it.
	check(err)
	response, err := http.DefaultClient.Do(request) //nolint:gosec // As above.
	check(err)
	cancel()
	// Nothing is read of it, and the process ends: an error here changes nothing.
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, response.Status)
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

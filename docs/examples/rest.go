// Looks at a fleet and puts its dead letters back to work, by the control plane's REST interface alone.
//
//	MUSTER_URL=http://127.0.0.1:4600 MUSTER_TOKEN=... go run rest.go ORDERS billing
//
// The standard library is enough. MUSTER_TOKEN is needed wherever the control plane has a login.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

// problem is a refusal: branch on Code; RequestID finds it in the control plane's log and audit.
type problem struct {
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
}

func (p *problem) Error() string {
	return fmt.Sprintf("%s: %s (request %s)", p.Code, p.Detail, p.RequestID)
}

type client struct {
	url, token string
	http       *http.Client
}

// call reads the answer of one operation into answer, or returns a *problem.
func (c *client) call(ctx context.Context, method, path string, body, answer any) error {
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+"/api/v1"+path, &sent)
	if err != nil {
		return err
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.Header.Get("Content-Type") == "application/problem+json" {
		var told problem
		if err := json.NewDecoder(response.Body).Decode(&told); err != nil {
			return err
		}
		return &told
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

type groupLine struct {
	Stream   string `json:"stream"`
	Group    string `json:"group"`
	Ready    int    `json:"ready"`
	InFlight int    `json:"in_flight"`
	Dead     int    `json:"dead"`
}

type outcome struct {
	Outcome string `json:"outcome"`
	Code    string `json:"code"`
}

type report struct {
	Outcomes []outcome `json:"outcomes"`
}

type page struct {
	Items []struct {
		ID string `json:"id"`
	} `json:"items"`
	NextCursor string `json:"next_cursor"`
}

func run(ctx context.Context, c *client, stream, group string) error {
	var groups []groupLine
	if err := c.call(ctx, http.MethodGet, "/groups", nil, &groups); err != nil {
		return err
	}
	for _, g := range groups {
		fmt.Printf("group %s.%s: %d ready, %d in flight, %d dead\n", g.Stream, g.Group, g.Ready, g.InFlight, g.Dead)
	}

	order := map[string]any{
		"id": "from-go", "customer": "ada", "amount": 10, "status": "pending", "created_at": "2026-01-02T03:04:05Z",
	}
	orders := map[string]any{"orders": []any{map[string]any{"event": "created", "order": order}}}
	var sent report
	if err := c.call(ctx, http.MethodPost, "/orders", orders, &sent); err != nil {
		return err
	}
	fmt.Println("order from-go:", sent.Outcomes[0].Outcome)

	// Each id is encoded by itself: it may hold anything.
	letters := "/streams/" + url.PathEscape(stream) + "/dead-letters"
	query := url.Values{"group": {group}}
	for {
		var found page
		if err := c.call(ctx, http.MethodGet, letters+"?"+query.Encode(), nil, &found); err != nil {
			return err
		}
		for _, item := range found.Items {
			var answer report
			path := letters + "/" + url.PathEscape(item.ID) + "/replay"
			if err := c.call(ctx, http.MethodPost, path, struct{}{}, &answer); err != nil {
				return err
			}
			// What could not be replayed says why; what it says comes from messages, so it is quoted.
			fmt.Printf("dead letter %q: %s %s\n", item.ID, answer.Outcomes[0].Outcome, answer.Outcomes[0].Code)
		}
		if found.NextCursor == "" {
			return nil
		}
		query.Set("cursor", found.NextCursor)
	}
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: rest <stream> <group>")
		os.Exit(2)
	}
	base := os.Getenv("MUSTER_URL")
	if base == "" {
		base = "http://127.0.0.1:4600"
	}
	c := &client{url: base, token: os.Getenv("MUSTER_TOKEN"), http: &http.Client{Timeout: 30 * time.Second}}
	if err := run(context.Background(), c, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		var told *problem
		if errors.As(err, &told) && told.Code == "too_many_requests" {
			fmt.Fprintln(os.Stderr, "wait a second and run it again")
		}
		os.Exit(1)
	}
}

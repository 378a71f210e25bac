// Command worker-go is the order worker in Go.
package main

import (
	"fmt"
	"os"

	workergo "github.com/muster-dev/muster/apps/worker-go"
	muster "github.com/muster-dev/muster/packages/worker-core-go"
)

func main() {
	work, err := workergo.WorkTime(os.Getenv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	muster.Run(workergo.Handler(work), muster.WithVersion(workergo.Version))
}

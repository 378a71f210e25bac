// Command worker-go is the order worker in Go: it joins the group that its environment names.
package main

import (
	"fmt"
	"os"

	workergo "github.com/muster-dev/muster/apps/worker-go"
	muster "github.com/muster-dev/muster/packages/worker-core-go"
)

const version = "0.1.0"

func main() {
	work, err := workergo.ReadWork(os.Getenv("ORDER_WORK_MS"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	muster.Run(workergo.NewHandler(work), muster.WithVersion(version))
}

// Command conformance-worker is the Go worker of the conformance suite.
package main

import muster "github.com/muster-dev/muster/packages/worker-core-go"

func main() { muster.RunConformance() }

module github.com/muster-dev/muster/packages/worker-core-go

go 1.26.0

require (
	github.com/nats-io/nats.go v1.55.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	go.uber.org/goleak v1.3.0
)

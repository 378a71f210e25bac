module github.com/muster-dev/muster/apps/worker-go

go 1.26

require (
	github.com/muster-dev/muster/packages/worker-core-go v0.1.0
	github.com/nats-io/nats.go v1.55.0
)

replace github.com/muster-dev/muster/packages/worker-core-go => ../../packages/worker-core-go

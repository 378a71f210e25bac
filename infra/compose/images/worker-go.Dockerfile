# The Go worker: one static binary, and the probe that asks for its health, since here is no shell to do so.
FROM golang:1.26.8 AS build
# Each module by itself, as its users see it.
ENV CGO_ENABLED=0 GOWORK=off
WORKDIR /src/apps/worker-go
# Manifests first: modules are fetched again only when one of these changes.
COPY packages/worker-core-go/go.mod packages/worker-core-go/go.sum /src/packages/worker-core-go/
COPY apps/worker-go/go.mod apps/worker-go/go.sum ./
RUN go mod download
COPY packages/worker-core-go /src/packages/worker-core-go
COPY apps/worker-go ./
RUN go build -trimpath -ldflags="-s -w" -o /out/ ./cmd/worker-go ./cmd/probe

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/ /
ENV MUSTER_HTTP_HOST=0.0.0.0 MUSTER_HTTP_PORT=9464
EXPOSE 9464
# Nobody's number: there is no passwd to name one.
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/probe", "http://127.0.0.1:9464/readyz"]
ENTRYPOINT ["/worker-go"]

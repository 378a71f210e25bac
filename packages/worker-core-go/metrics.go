package muster

import (
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// metricsContentType is the media type of the text format.
var metricsContentType = string(expfmt.NewFormat(expfmt.TypeTextPlain))

var metricBuckets = []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60}

// snapshot is what the gauges show; read when they are asked for, at no cost before.
type snapshot struct {
	inFlight, held, concurrency, suspects        int
	isDegraded, isBreakerOpen, isPaused, isReady bool
	// specRevision is 0 before the first spec, and while it is gone.
	specRevision uint64
}

// metrics are those of one worker, under names that are the same in every language. Each worker has
// a registry of its own, none is global.
type metrics struct {
	registry *prometheus.Registry
	into     prometheus.Registerer

	deadLetters                                             map[string]prometheus.Counter
	returned, failed, missed                                prometheus.Observer
	settle                                                  prometheus.Histogram
	lookUps, writes                                         prometheus.Observer
	pullRecreated, reconnects, heartbeatFailures, queueLost prometheus.Counter
}

// newMetrics makes them; read is called at each scrape.
func newMetrics(c Config, s *stats, read func() snapshot) *metrics {
	registry := prometheus.NewRegistry()
	m := &metrics{
		registry: registry,
		into: prometheus.WrapRegistererWith(prometheus.Labels{
			"stream": c.Stream, "group": c.Group, "member": c.Member, "language": Language,
		}, registry),
		deadLetters: map[string]prometheus.Counter{},
	}
	for _, outcome := range outcomes {
		m.into.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "muster_deliveries_total", Help: "Deliveries by what they ended in",
			ConstLabels: prometheus.Labels{"outcome": outcome},
		}, func() float64 { return float64(s.counted(outcome)) }))
	}
	dead := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_dead_letters_total", Help: "Dead letters published",
	}, []string{"reason"})
	for _, reason := range reasons {
		m.deadLetters[reason] = dead.WithLabelValues(reason)
	}
	handler := m.histograms("muster_handler_seconds", "Time in the handler", "outcome")
	m.returned, m.failed, m.missed = handler.WithLabelValues("returned"), handler.WithLabelValues("failed"), handler.WithLabelValues("deadline")
	m.settle = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "muster_settle_seconds", Help: "Time from receipt to settled", Buckets: metricBuckets,
	})
	ledger := m.histograms("muster_ledger_seconds", "Time of a request to the ledger", "op")
	m.lookUps, m.writes = ledger.WithLabelValues("look_up"), ledger.WithLabelValues("write")
	m.into.MustRegister(dead, m.settle)
	m.pullRecreated = m.counter("muster_pull_recreated_total", "Stalled pulls made again")
	m.reconnects = m.counter("muster_reconnects_total", "Times the connection came back")
	m.heartbeatFailures = m.counter("muster_heartbeat_failures_total", "Heartbeats not written")
	m.queueLost = m.counter("muster_queue_lost_total", "Messages of a queue group dropped")
	m.gauges(c, read)
	return m
}

func (m *metrics) deadLetter(reason string) { m.deadLetters[reason].Inc() }

func (m *metrics) settled(took time.Duration) { m.settle.Observe(took.Seconds()) }

// ledger notes an answer of the ledger to what was asked since.
func (m *metrics) ledger(op string, since time.Time) {
	took := time.Since(since).Seconds()
	if op == "write" {
		m.writes.Observe(took)
	} else {
		m.lookUps.Observe(took)
	}
}

// write gives all of it in the Prometheus text format.
func (m *metrics) write(w io.Writer) error {
	families, err := m.registry.Gather()
	if err != nil {
		return err
	}
	encoder := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	return nil
}

func (m *metrics) histograms(name, help, label string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: metricBuckets}, []string{label})
	m.into.MustRegister(h)
	return h
}

func (m *metrics) counter(name, help string) prometheus.Counter { //nolint:ireturn // As the client has it.
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.into.MustRegister(c)
	return c
}

func (m *metrics) gauges(c Config, read func() snapshot) {
	gauge := func(name, help string, value func(snapshot) float64) {
		opts := prometheus.GaugeOpts{Name: name, Help: help}
		m.into.MustRegister(prometheus.NewGaugeFunc(opts, func() float64 { return value(read()) }))
	}
	gauge("muster_in_flight", "Handlers that run", func(s snapshot) float64 { return float64(s.inFlight) })
	gauge("muster_held", "Messages in hand, started or not", func(s snapshot) float64 { return float64(s.held) })
	gauge("muster_concurrency", "Handlers that may run at once", func(s snapshot) float64 { return float64(s.concurrency) })
	gauge("muster_suspects", "Suspects that wait for their turn", func(s snapshot) float64 { return float64(s.suspects) })
	gauge("muster_degraded", "1 while a dependency is unreachable", func(s snapshot) float64 { return truth(s.isDegraded) })
	gauge("muster_breaker_open", "1 while the breaker keeps from pulling", func(s snapshot) float64 { return truth(s.isBreakerOpen) })
	gauge("muster_paused", "1 while the group is paused", func(s snapshot) float64 { return truth(s.isPaused) })
	gauge("muster_ready", "1 while the member takes messages", func(s snapshot) float64 { return truth(s.isReady) })
	gauge("muster_spec_revision", "Revision of the group's spec in use", func(s snapshot) float64 { return float64(s.specRevision) })
	m.into.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "muster_build_info", Help: "Versions of the core and of the application",
		ConstLabels: prometheus.Labels{"core_version": CoreVersion, "app_version": c.Version},
	}, func() float64 { return 1 }))
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

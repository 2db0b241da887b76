//! What can be counted from outside, for Prometheus. One value of [`Metrics`] belongs to one server; no
//! label ever holds anything of a text.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Every figure, and the way to write them out.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabel, Histogram>,
    in_progress: Gauge,
    queue_time: Histogram,
    queued: Gauge,
    compute_time: Family<PartLabel, Histogram>,
    results: Family<SourceLabel, Counter>,
    evictions: Family<TierLabel, Counter>,
    cache_bytes: Family<TierLabel, Gauge>,
    model_bytes: Family<ModelLabel, Gauge>,
    panics: Counter,
    called_off: Family<PhaseLabel, Counter>,
    unit_seconds: Counter<f64, AtomicU64>,
    unit_seconds_expected: Counter<f64, AtomicU64>,
    forward_batches: Counter,
    forward_units: Counter,
    job_rows: Counter,
    job_rows_failed: Counter,
    chunks_given_back: Counter,
    durable_healthy: Gauge,
    durable_failures: Counter,
    writes_given_up: Counter,
    damaged_results: Counter,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The route's pattern, or `none`.
    pub route: String,
    /// The HTTP status; 499 where the client had gone before there was one.
    pub status: u16,
    /// `ok`, the name of the problem, or `client-gone`.
    pub outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartLabel {
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabel {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TierLabel {
    tier: Tier,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: Phase,
}

/// Where a result came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The tier in memory.
    Memory,
    /// The durable tier.
    Durable,
    /// Computed for this request.
    Computed,
    /// Computed for another request that was under way.
    Collapsed,
}

/// A tier of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// In memory.
    Memory,
    /// In the database.
    Durable,
}

/// Where work was when it was called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It waited for a worker.
    Queued,
    /// A worker was at it.
    Running,
}

impl Source {
    /// Its name in labels and headers.
    pub fn name(self) -> &'static str {
        match self {
            Source::Memory => "memory",
            Source::Durable => "durable",
            Source::Computed => "computed",
            Source::Collapsed => "collapsed",
        }
    }
}

impl Tier {
    fn name(self) -> &'static str {
        match self {
            Tier::Memory => "memory",
            Tier::Durable => "durable",
        }
    }
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Phase::Queued => "queued",
            Phase::Running => "running",
        }
    }
}

impl EncodeLabelValue for Source {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

impl EncodeLabelValue for Tier {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

impl EncodeLabelValue for Phase {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

/// 0.25 ms to about 4 minutes, each bucket twice the one before it.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 20))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("explaind"),
            requests: Family::default(),
            latency: Family::new_with_constructor(durations),
            in_progress: Gauge::default(),
            queue_time: durations(),
            queued: Gauge::default(),
            compute_time: Family::new_with_constructor(durations),
            results: Family::default(),
            evictions: Family::default(),
            cache_bytes: Family::default(),
            model_bytes: Family::default(),
            panics: Counter::default(),
            called_off: Family::default(),
            unit_seconds: Counter::default(),
            unit_seconds_expected: Counter::default(),
            forward_batches: Counter::default(),
            forward_units: Counter::default(),
            job_rows: Counter::default(),
            job_rows_failed: Counter::default(),
            chunks_given_back: Counter::default(),
            durable_healthy: Gauge::default(),
            durable_failures: Counter::default(),
            writes_given_up: Counter::default(),
            damaged_results: Counter::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("build", "The program", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        registry.register(
            "requests",
            "Requests answered, by route, status and outcome",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "From a request's head to its answer's",
            Unit::Seconds,
            self.latency.clone(),
        );
        registry.register("requests_in_progress", "Requests under way", self.in_progress.clone());
        registry.register_with_unit(
            "queue",
            "Time that texts waited for their first worker",
            Unit::Seconds,
            self.queue_time.clone(),
        );
        registry.register("queued", "Texts that wait for their first worker", self.queued.clone());
        registry.register_with_unit(
            "compute",
            "Time of workers, by what they computed",
            Unit::Seconds,
            self.compute_time.clone(),
        );
        registry.register(
            "results",
            "Results that went into answers, by where they came from",
            self.results.clone(),
        );
        registry.register(
            "cache_evictions",
            "Results removed to keep within a tier's limits",
            self.evictions.clone(),
        );
        registry.register_with_unit("cache", "What the tiers hold", Unit::Bytes, self.cache_bytes.clone());
        registry.register_with_unit(
            "model",
            "Weights of a model in memory, linear layers laid out for both ways",
            Unit::Bytes,
            self.model_bytes.clone(),
        );
        registry.register("panics", "Panics that were caught; each failed one request", self.panics.clone());
        registry.register(
            "called_off",
            "Pieces of work that were stopped since nobody waited for them any more",
            self.called_off.clone(),
        );
        registry.register_with_unit(
            "units",
            "What units of work took",
            Unit::Seconds,
            self.unit_seconds.clone(),
        );
        registry.register_with_unit(
            "units_expected",
            "What units of work were expected to take",
            Unit::Seconds,
            self.unit_seconds_expected.clone(),
        );
        registry.register(
            "forward_batches",
            "Forward passes for logits, each for one text or several together",
            self.forward_batches.clone(),
        );
        registry.register(
            "forward_units",
            "Units of work that travelled in these batches",
            self.forward_units.clone(),
        );
        registry.register("job_rows", "Rows of jobs that this server has answered", self.job_rows.clone());
        registry.register(
            "job_rows_failed",
            "Rows of jobs among these whose answer is an error",
            self.job_rows_failed.clone(),
        );
        registry.register(
            "job_chunks_given_back",
            "Chunks of jobs that this server has left to others",
            self.chunks_given_back.clone(),
        );
        registry.register(
            "durable_healthy",
            "1 while the durable tier works, 0 while it fails or there is none",
            self.durable_healthy.clone(),
        );
        registry.register(
            "durable_failures",
            "Reads and writes that the database failed",
            self.durable_failures.clone(),
        );
        registry.register(
            "durable_writes_given_up",
            "Writes given up since the database was too slow",
            self.writes_given_up.clone(),
        );
        registry.register(
            "durable_damaged_results",
            "Stored results that were not what was once written",
            self.damaged_results.clone(),
        );
    }

    /// Everything in the OpenMetrics text format.
    ///
    /// # Errors
    /// None that is known; the encoder's signature has one.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// A request begins.
    pub fn request_began(&self) {
        self.in_progress.inc();
    }

    /// A request ended after this long.
    pub fn request_ended(&self, labels: RequestLabels, took: Duration) {
        self.in_progress.dec();
        self.latency.get_or_create(&RouteLabel { route: labels.route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&labels).inc();
    }

    /// Work joins the queue.
    pub fn work_queued(&self) {
        self.queued.inc();
    }

    /// Work leaves the queue after this long.
    pub fn work_dequeued(&self, waited: Duration) {
        self.queued.dec();
        self.queue_time.observe(waited.as_secs_f64());
    }

    /// A part of an answer was computed: a method's id, or `prediction`, `sentences`, `attention`.
    pub fn computed(&self, part: &'static str, took: Duration) {
        self.compute_time.get_or_create(&PartLabel { method: part }).observe(took.as_secs_f64());
    }

    /// Results went into an answer.
    pub fn results_used(&self, source: Source, count: u64) {
        self.results.get_or_create(&SourceLabel { source }).inc_by(count);
    }

    /// Results were removed from a tier.
    pub fn evicted(&self, tier: Tier, count: u64) {
        self.evictions.get_or_create(&TierLabel { tier }).inc_by(count);
    }

    /// What a tier holds.
    pub fn set_cache_bytes(&self, tier: Tier, bytes: u64) {
        self.cache_bytes.get_or_create(&TierLabel { tier }).set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// What a model takes.
    pub fn set_model_bytes(&self, model: &str, bytes: u64) {
        let label = ModelLabel { model: model.to_owned() };
        self.model_bytes.get_or_create(&label).set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A panic was caught.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Work was called off.
    pub fn called_off(&self, phase: Phase) {
        self.called_off.get_or_create(&PhaseLabel { phase }).inc();
    }

    /// A unit of work ended; it was expected to take so many seconds, and took so many.
    pub fn unit_ended(&self, expected: f64, seconds: f64) {
        self.unit_seconds_expected.inc_by(expected);
        self.unit_seconds.inc_by(seconds);
    }

    /// So many units ran as one forward pass.
    pub fn forwards_together(&self, units: u64) {
        self.forward_batches.inc();
        self.forward_units.inc_by(units);
    }

    /// Rows of a job were answered, so many of them by an error.
    pub fn job_rows_answered(&self, rows: u64, failed: u64) {
        self.job_rows.inc_by(rows);
        self.job_rows_failed.inc_by(failed);
    }

    /// A chunk of a job was left to others.
    pub fn chunk_given_back(&self) {
        self.chunks_given_back.inc();
    }

    /// Whether the durable tier works.
    pub fn set_durable_healthy(&self, healthy: bool) {
        self.durable_healthy.set(healthy.into());
    }

    /// The database failed a read or a write.
    pub fn durable_failure(&self) {
        self.durable_failures.inc();
    }

    /// A write was given up.
    pub fn write_given_up(&self) {
        self.writes_given_up.inc();
    }

    /// A stored result was not what was once written.
    pub fn damaged_result(&self) {
        self.damaged_results.inc();
    }
}

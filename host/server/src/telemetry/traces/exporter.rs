//! Sends spans to a collector: OTLP over gRPC, in batches, from a task of its own.
//!
//! A request hands its spans over without waiting. There is room for so many; what finds none, what the
//! collector does not take, and what is left when the server ends, is dropped and counted.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::transform::common::tonic::{Attributes, ResourceAttributesWithSchema};
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::telemetry::Metrics;

/// Pauses between attempts to send a batch grow from the one to the other.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// See [`SHORTEST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long spans that were collected may take to be sent at the end of a program.
pub const FLUSH: Duration = Duration::from_secs(3);

/// How spans are collected and sent (`OTEL_BSP_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// How long a span may wait for others to be sent with it.
    pub delay: Duration,
    /// How many spans may wait.
    pub queue: usize,
    /// How many are sent at once.
    pub batch: usize,
    /// How long a batch may take, all attempts together.
    pub time: Duration,
}

/// What the collector is told, and how.
pub struct Settings {
    /// Where the collector is, and how one call of it is bounded.
    pub endpoint: Endpoint,
    /// Sent with every call; may hold secrets.
    pub headers: MetadataMap,
    /// Whether calls are compressed (gzip).
    pub gzip: bool,
    /// What this process is.
    pub resource: Vec<(String, String)>,
    /// How spans are collected.
    pub batching: Batching,
}

/// Where requests leave their spans.
#[derive(Clone)]
pub struct Queue {
    spans: mpsc::Sender<SpanData>,
    metrics: Arc<Metrics>,
}

impl Queue {
    /// Takes the spans of one request, all of them or, if there is no room, none.
    pub(super) fn offer(&self, spans: Vec<SpanData>) {
        let count = spans.len();
        match self.spans.try_reserve_many(count) {
            Ok(places) => places.zip(spans).for_each(|(place, span)| place.send(span)),
            Err(_) => self.metrics.spans.dropped(count as u64),
        }
    }
}

/// The task that sends.
pub struct Exporter {
    end: watch::Sender<Option<Instant>>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts it; nothing is connected to yet. Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(settings: Settings, metrics: &Arc<Metrics>) -> (Queue, Self) {
        let (sender, receiver) = mpsc::channel(settings.batching.queue);
        let (end, ending) = watch::channel(None);
        let mut client = TraceServiceClient::new(settings.endpoint.connect_lazy());
        if settings.gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        let attributes = settings.resource.into_iter().map(|(name, value)| KeyValue::new(name, value));
        let work = Work {
            spans: receiver,
            ending,
            client,
            headers: settings.headers,
            resource: ResourceAttributesWithSchema { attributes: Attributes::from(attributes), schema_url: None },
            batching: settings.batching,
            metrics: Arc::clone(metrics),
            failing: AtomicBool::new(false),
        };
        (Queue { spans: sender, metrics: Arc::clone(metrics) }, Self { end, task: tokio::spawn(work.run()) })
    }

    /// Sends what has been collected, for at most `within`, and ends. What is offered later is dropped.
    pub async fn flush(self, within: Duration) {
        self.end.send_replace(Some(Instant::now() + within));
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the task that sends traces ended early");
        }
    }
}

struct Work {
    spans: mpsc::Receiver<SpanData>,
    /// Until when to send, once the server ends.
    ending: watch::Receiver<Option<Instant>>,
    client: TraceServiceClient<Channel>,
    headers: MetadataMap,
    resource: ResourceAttributesWithSchema,
    batching: Batching,
    metrics: Arc<Metrics>,
    /// What was sent last was not taken: said once in the log.
    failing: AtomicBool,
}

impl Work {
    async fn run(mut self) {
        loop {
            let batch = self.next_batch().await;
            if batch.is_empty() {
                return;
            }
            self.send(batch).await;
        }
    }

    /// What has come in when a batch is full, or its first span has waited long enough; nothing once the
    /// server ends and all has been taken.
    async fn next_batch(&mut self) -> Vec<SpanData> {
        let most = self.batching.batch;
        let mut batch = Vec::new();
        let mut due = None;
        while batch.len() < most {
            let room = most - batch.len();
            let due_at = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            let is_ending = self.spans.is_closed();
            tokio::select! {
                biased;
                _ = self.ending.wait_for(Option::is_some), if !is_ending => self.spans.close(),
                received = timeout_at(due_at, self.spans.recv_many(&mut batch, room)) => match received {
                    Ok(0) => break,
                    Ok(_) if due.is_none() => due = Some(Instant::now() + self.batching.delay),
                    Ok(_) => {}
                    Err(_) if batch.is_empty() => {}
                    Err(_) => break,
                },
            }
        }
        batch
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let count = batch.len();
        let request =
            ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(batch, &self.resource) };
        let ending = self.ending.clone();
        let attempts = (|| self.attempt(request.clone()))
            .retry(pauses())
            // The end of the server is not held up by a collector that is away.
            .when(|status| may_pass(status) && ending.borrow().is_none())
            .notify(|status, _| self.complain(&told(status)));
        let answer = tokio::select! {
            answer = timeout(self.batching.time, attempts) => {
                answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no attempt succeeded in time")))
            }
            () = over(self.ending.clone()) => Err(Status::cancelled("the server has ended")),
        };
        let rejected = match answer {
            Ok((0, _)) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("traces can be sent again");
                }
                0
            }
            Ok((rejected, why)) => {
                let rejected = rejected.min(count);
                self.complain(&why);
                self.metrics.spans.dropped(rejected as u64);
                rejected
            }
            Err(status) => {
                self.complain(&told(&status));
                self.metrics.spans.dropped(count as u64);
                count
            }
        };
        self.metrics.spans.exported(count.saturating_sub(rejected) as u64);
    }

    /// Sends a batch once: how many spans of it the collector rejects, and why.
    async fn attempt(&self, message: ExportTraceServiceRequest) -> Result<(usize, String), Status> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.headers.clone();
        let answer = self.client.clone().export(request).await?.into_inner();
        let partial = answer.partial_success.unwrap_or_default();
        Ok((usize::try_from(partial.rejected_spans).unwrap_or_default(), partial.error_message))
    }

    fn complain(&self, why: &str) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(why, "traces cannot be sent: what is not taken in time is dropped and counted");
        }
    }
}

/// What went wrong, with its first cause: "connection refused" says more than "transport error".
fn told(status: &Status) -> String {
    let mut text = format!("{}: {}", status.code(), status.message());
    let mut source = status.source();
    while let Some(cause) = source {
        source = cause.source();
        let cause = cause.to_string();
        if source.is_none() && !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    match remedy(&text) {
        Some(remedy) => format!("{text}; {remedy}"),
        None => text,
    }
}

/// What to do about it, where a setting is what is wrong. (rustls has no type for it by the time it comes here.)
fn remedy(text: &str) -> Option<&'static str> {
    if text.contains("invalid peer certificate") {
        Some("name the authority that signed the collector's certificate in OTEL_EXPORTER_OTLP_CERTIFICATE (PEM)")
    } else if text.contains("CertificateRequired") {
        Some("it wants a certificate: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY")
    } else if text.contains("InvalidContentType") {
        Some(
            "the collector does not speak TLS there: write http:// in OTEL_EXPORTER_OTLP_ENDPOINT, or its port for TLS",
        )
    } else {
        None
    }
}

fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(SHORTEST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
}

/// Which answers OTLP lets a client try again after
/// (<https://opentelemetry.io/docs/specs/otlp/#failures>).
fn may_pass(status: &Status) -> bool {
    use Code::{Aborted, Cancelled, DataLoss, DeadlineExceeded, OutOfRange, Unavailable};
    matches!(status.code(), Aborted | Cancelled | DataLoss | DeadlineExceeded | OutOfRange | Unavailable)
}

/// The moment from which nothing is sent any more.
async fn over(mut ending: watch::Receiver<Option<Instant>>) {
    let end = ending.wait_for(Option::is_some).await.ok().and_then(|end| *end);
    match end {
        Some(end) => sleep_until(end).await,
        // Nobody is left who could end it.
        None => std::future::pending().await,
    }
}

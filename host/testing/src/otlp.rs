//! An OpenTelemetry collector: takes traces over OTLP/gRPC and keeps them for the test to look at. It can
//! also answer slowly, not at all, or refuse.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};

use crate::certificates::{Authority, Issued};
use crate::process::eventually;
use crate::secrets;

/// How long spans may take to arrive: a batch is sent every 5 s unless a test says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the collector does with what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    Takes,
    /// Takes the call and does not answer until the manner changes.
    Holds,
    /// Refuses it for good.
    Refuses,
    /// Says that it is overloaded, for now.
    Overloaded,
    /// Takes all but this many spans of each batch, and says so.
    TakesAllBut(i64),
}

/// A span, as a test wants to see it. IDs are in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace it belongs to.
    pub trace: String,
    /// Its own ID.
    pub id: String,
    /// Its parent's ID; none for a root.
    pub parent: Option<String>,
    /// `tracestate`.
    pub state: String,
    /// What it is called.
    pub name: String,
    /// Whether it is a server's, a client's …
    pub kind: SpanKind,
    /// Begin and end in nanoseconds since 1970.
    pub time: (u64, u64),
    /// Its attributes, values as text.
    pub attributes: BTreeMap<String, String>,
    /// The traces and spans it is linked to.
    pub links: Vec<(String, String)>,
    /// Whether it failed, and why.
    pub error: Option<String>,
    /// The attributes of the process that made it.
    pub resource: BTreeMap<String, String>,
}

impl Span {
    /// An attribute's value; empty if there is none.
    #[must_use]
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// A collector on a port of its own. It ends when dropped.
pub struct Collector {
    scheme: &'static str,
    address: SocketAddr,
    kept: Arc<Kept>,
    manner: watch::Sender<Manner>,
    task: AbortHandle,
}

#[derive(Default)]
struct Kept {
    spans: Mutex<Vec<Span>>,
    /// What was sent with the calls, besides the spans.
    headers: Mutex<Vec<BTreeMap<String, String>>>,
}

impl Collector {
    /// Starts one that takes what it is sent.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// The same at an address of the test's choice.
    ///
    /// # Panics
    /// If it cannot listen there.
    pub async fn start_at(address: SocketAddr) -> Self {
        Self::serve(address, None).await
    }

    /// One that speaks TLS with this certificate, and nothing else. `clients`: the authority from which whoever calls
    /// has to have a certificate, too.
    ///
    /// # Panics
    /// If it cannot listen, or the certificate cannot be used.
    pub async fn start_tls(issued: &Issued, clients: Option<&Authority>) -> Self {
        let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(&issued.certificate, &issued.key));
        if let Some(authority) = clients {
            let pem = std::fs::read(authority.file()).expect("the authority's file");
            tls = tls.client_ca_root(Certificate::from_pem(pem));
        }
        Self::serve(SocketAddr::from(([127, 0, 0, 1], 0)), Some(tls)).await
    }

    async fn serve(address: SocketAddr, tls: Option<ServerTlsConfig>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port for the collector");
        let address = listener.local_addr().expect("the collector's address");
        let kept = Arc::new(Kept::default());
        let manner = watch::Sender::new(Manner::Takes);
        let service = Service { kept: Arc::clone(&kept), manner: manner.subscribe() };
        let service = TraceServiceServer::new(service).accept_compressed(CompressionEncoding::Gzip);
        let (scheme, mut server) = match tls {
            Some(tls) => ("https", Server::builder().tls_config(tls).expect("the collector's certificate")),
            None => ("http", Server::builder()),
        };
        let serving = server.add_service(service).serve_with_incoming(TcpIncoming::from(listener));
        let task = tokio::spawn(async move { serving.await.expect("the collector serves") });
        Self { scheme, address, kept, manner, task: task.abort_handle() }
    }

    /// Where it listens, such as `http://127.0.0.1:31234`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Does something else with what is sent from now on.
    pub fn set(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    /// All spans so far, in the order of their arrival.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.kept.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The headers (gRPC metadata) of each call so far.
    #[must_use]
    pub fn headers(&self) -> Vec<BTreeMap<String, String>> {
        self.kept.headers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `look` finds in the spans what it looks for.
    ///
    /// # Panics
    /// If it does not in a minute; `what` names it.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&[Span]) -> Option<T>) -> T {
        eventually(what, PATIENCE, async || look(&self.spans())).await
    }

    /// Waits for this many calls, whatever became of them.
    ///
    /// # Panics
    /// If there are fewer after a minute.
    pub async fn until_called(&self, times: usize) {
        eventually("calls of the collector", PATIENCE, async || (self.headers().len() >= times).then_some(())).await;
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Service {
    kept: Arc<Kept>,
    manner: watch::Receiver<Manner>,
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        self.kept.headers.lock().unwrap_or_else(PoisonError::into_inner).push(headers.collect());
        let mut manner = self.manner.clone();
        let manner =
            *manner.wait_for(|manner| *manner != Manner::Holds).await.map_err(|_| Status::internal("ended"))?;
        let left_out = match manner {
            Manner::Takes | Manner::Holds => 0,
            Manner::Refuses => return Err(Status::new(Code::PermissionDenied, "no spans from you")),
            Manner::Overloaded => return Err(Status::new(Code::Unavailable, "too busy")),
            Manner::TakesAllBut(number) => number,
        };
        let mut spans = read(request.into_inner());
        secrets::note_in("a span", &format!("{spans:?}"));
        let taken = spans.len().saturating_sub(usize::try_from(left_out).unwrap_or_default());
        spans.truncate(taken);
        self.kept.spans.lock().unwrap_or_else(PoisonError::into_inner).append(&mut spans);
        let partial_success = (left_out > 0).then(|| ExportTracePartialSuccess {
            rejected_spans: left_out,
            error_message: "that many are too many".to_owned(),
        });
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

fn read(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = attributes(of_resource.resource.map(|resource| resource.attributes).unwrap_or_default());
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let kind = span.kind();
            let status = span.status.unwrap_or_default();
            spans.push(Span {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
                state: span.trace_state,
                name: span.name,
                kind,
                time: (span.start_time_unix_nano, span.end_time_unix_nano),
                attributes: attributes(span.attributes),
                links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
                error: (status.code() == StatusCode::Error).then_some(status.message),
                resource: resource.clone(),
            });
        }
    }
    spans
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|pair| (pair.key, pair.value.map(text).unwrap_or_default())).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        None => String::new(),
        Some(Value::StringValue(text)) => text,
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::ArrayValue(array)) => array.values.into_iter().map(text).collect::<Vec<_>>().join(","),
        Some(other) => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

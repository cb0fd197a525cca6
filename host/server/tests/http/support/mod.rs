//! A server in this process on a store in memory, and a client that sends exactly the bytes it is told to.
//!
//! Logs, metrics, audit files and the bodies of errors are searched for tokens and states, see
//! [`tofu_state_testing::secrets`].

mod client;
mod searched;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tofu_state_component::{BUILT_IN, Engine, ForceUnlock, Limits as CallLimits, Protocol, Settings};
use tofu_state_server::access::{Access, Tokens, tokens_file};
use tofu_state_server::config::Bind;
use tofu_state_server::generations::{Generations, Parts};
use tofu_state_server::listener::budget::Budget;
use tofu_state_server::listener::states::States;
use tofu_state_server::listener::{Limits, accept};
use tofu_state_server::telemetry::audit::{Target, Writing};
use tofu_state_server::telemetry::{Audit, Metrics, Telemetry, Traces};
use tofu_state_server::tls::Tls;
use tofu_state_store::Store;
use tofu_state_store::memory::Memory;
use tofu_state_testing::secrets::IN_A_STATE;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use client::{Answer, Connection, ask, basic};
use searched::Searched;

/// The token with all rights.
pub(crate) const TOKEN: &str = "correct-horse-battery-staple";

/// Long enough for the slowest machine; no test waits for it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is to be.
pub(crate) struct Options {
    pub(crate) limits: Limits,
    pub(crate) max_state_bytes: usize,
    pub(crate) max_body_memory: usize,
    pub(crate) store: Arc<dyn Store>,
    /// Another component than the one that is shipped.
    pub(crate) protocol: Option<Protocol>,
    /// Generations that the test publishes itself, and their metrics.
    pub(crate) generations: Option<(Arc<Generations>, Arc<Metrics>)>,
    /// What `TOKENS_FILE` holds, besides [`TOKEN`].
    pub(crate) tokens: String,
    /// Where audit records go.
    pub(crate) audit: Option<Target>,
    /// Who makes spans.
    pub(crate) traces: Option<Traces>,
    /// What states are served with over TLS.
    pub(crate) tls: Option<Tls>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_state_bytes: 1 << 20,
            max_body_memory: 8 << 20,
            store: Arc::new(Memory::new()),
            protocol: None,
            generations: None,
            tokens: String::new(),
            audit: None,
            traces: None,
            tls: None,
        }
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) access: Access,
    pub(crate) budget: Budget,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) auditing: Option<Writing>,
    pub(crate) calls: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) abort: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
    _searched: Searched,
}

/// Compiled once for all tests.
fn protocol() -> Protocol {
    static PROTOCOL: OnceLock<Protocol> = OnceLock::new();
    let load = || Engine::new(CallLimits::default()).unwrap().load(BUILT_IN).unwrap();
    PROTOCOL.get_or_init(load).clone()
}

/// One that never changes.
fn generations(protocol: Protocol) -> (Arc<Generations>, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new().unwrap());
    (Arc::new(Generations::new(Parts::of(protocol, "the test"), Arc::clone(&metrics))), metrics)
}

impl Server {
    pub(crate) async fn start(options: Options) -> Self {
        let (generations, metrics) = match (options.generations, options.protocol) {
            (Some(own), _) => own,
            (None, Some(protocol)) => generations(protocol),
            (None, None) => generations(tokio::task::spawn_blocking(protocol).await.unwrap()),
        };
        let named = match options.tokens.as_str() {
            "" => Vec::new(),
            text => tokens_file::parse(text).unwrap(),
        };
        let access = Access::new(Tokens::new(named).with_shared(&TOKEN.into()));
        let budget = Budget::new(options.max_body_memory);
        let searched = Searched::begin(&metrics, options.audit.as_ref());
        let start = |target| Audit::start(target, Arc::clone(&metrics)).unwrap();
        let (audit, auditing) = options.audit.map(start).unzip();
        let calls = TaskTracker::new();
        let states = Arc::new(States {
            generations,
            store: options.store,
            store_wait: None,
            access: access.clone(),
            settings: Settings { lock_ttl: None, force_unlock: ForceUnlock::Any, path_segments: 2, join_runs: false },
            max_state_bytes: options.max_state_bytes,
            budget: budget.clone(),
            limits: options.limits,
            telemetry: Arc::new(Telemetry { metrics: Arc::clone(&metrics), audit, traces: options.traces }),
            recordings: None,
            calls: calls.clone(),
        });
        let bind = Bind { host: Some("127.0.0.1".to_owned()), port: 0 };
        let listener = accept::bind(&bind, "LISTEN_ADDR").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let serving =
            tokio::spawn(accept::serve(listener, options.tls, states, options.limits, stop.clone(), abort.clone()));
        Self { address, access, budget, metrics, auditing, calls, stop, abort, serving, _searched: searched }
    }

    pub(crate) async fn plain() -> Self {
        Self::start(Options::default()).await
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// One request with [`TOKEN`] on a connection of its own.
    pub(crate) async fn ask(&self, method: &str, target: &str, body: &str) -> Answer {
        ask(self.address, method, target, &[("authorization", &format!("Bearer {TOKEN}"))], body.as_bytes()).await
    }

    /// The metrics as Prometheus sees them.
    pub(crate) fn metrics_text(&self) -> String {
        String::from_utf8(self.metrics.encode().unwrap().1).unwrap()
    }
}

/// A state document of about `bytes` bytes.
pub(crate) fn state(serial: u64, bytes: usize) -> String {
    let filling: String = IN_A_STATE.chars().cycle().take(bytes).collect();
    format!(
        "{{\"version\":4,\"serial\":{serial},\"lineage\":\"l\",\"terraform_version\":\"1.0.0\",\"outputs\":{{}},\"filling\":\"{filling}\"}}"
    )
}

/// A component that differs from `of` in its bytes alone: by a custom section
/// (<https://webassembly.github.io/spec/core/binary/modules.html#custom-section>), which means nothing.
pub(crate) fn variant(of: &[u8], name: u8) -> Vec<u8> {
    [of, &[0, 2, 1, name]].concat()
}

//! The server on a store in memory: what the embedded store's disk is compared with. It is the server's own
//! library, put together as its `main.rs` does, without a store that lasts; so it is no part of the server.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use tofu_state_component::{BUILT_IN, Engine, Limits as CallLimits};
use tofu_state_server::access::Access;
use tofu_state_server::admin::Admin;
use tofu_state_server::cli::Flags;
use tofu_state_server::config::{Callers, Config, Options};
use tofu_state_server::generations::{Generations, Parts};
use tofu_state_server::listener::budget::Budget;
use tofu_state_server::listener::states::States;
use tofu_state_server::listener::{Limits, accept};
use tofu_state_server::stores::watch;
use tofu_state_server::telemetry::traces::work::WorkSpans;
use tofu_state_server::telemetry::{Metrics, Telemetry, logging};
use tofu_state_store::memory::Memory;
use tofu_state_store::{Health, Remembering, Store};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Serves until it is killed.
pub(crate) fn serve() -> anyhow::Result<()> {
    let read = Flags::default().with_environment(|source| Config::read(source, &Options::default()));
    let config = read.map_err(|mistakes| anyhow!("{mistakes}"))?;
    logging::start(&config.logging, WorkSpans::default()).map_err(|error| anyhow!("{error}"))?;
    tokio::runtime::Runtime::new()?.block_on(serve_with(config))
}

async fn serve_with(config: Config) -> anyhow::Result<()> {
    let Callers::Configured(_, tokens) = &config.callers else { anyhow::bail!("no token for callers") };
    let keep = usize::try_from(config.keep_versions)?;
    let store: Arc<dyn Store> = Arc::new(Remembering::new(Arc::new(Memory::keeping(keep))));
    let engine = Engine::new(CallLimits::default())?;
    let protocol = engine.load(BUILT_IN)?;
    let metrics = Arc::new(Metrics::new().context("metrics")?);
    let parts = Parts::of(protocol, "built in");
    let generations = Arc::new(Generations::new(parts, Arc::clone(&metrics)));
    let budget = Budget::new(config.max_body_memory);
    let limits = Limits::default();
    let listener = accept::bind(&config.listen, "LISTEN_ADDR").await.map_err(|error| anyhow!(error))?;
    let admin_listener = accept::bind(&config.admin, "ADMIN_ADDR").await.map_err(|error| anyhow!(error))?;
    let (look, last_look) = tokio::sync::watch::channel(watch::unknown());
    look.send_replace(Health { available: true, detail: "in memory".to_owned() });
    let admin = Arc::new(Admin {
        metrics: Arc::clone(&metrics),
        budget: budget.clone(),
        store: last_look,
        engine,
        tls: None,
        openbao: None,
        generations: Arc::clone(&generations),
        draining: CancellationToken::new(),
    });
    let states = Arc::new(States {
        generations,
        store,
        store_wait: config.store_wait,
        access: Access::new(tokens.clone()),
        settings: config.protocol,
        max_state_bytes: config.max_state_bytes,
        budget,
        limits,
        telemetry: Arc::new(Telemetry { metrics, audit: None, traces: None }),
        recordings: None,
        calls: TaskTracker::new(),
    });
    let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
    let watched = tokio::spawn(accept::serve(admin_listener, None, admin, limits, stop.clone(), abort.clone()));
    accept::serve(listener, None, states, limits, stop, abort).await;
    watched.await?;
    Ok(())
}

//! The program: what happens at start and at the end, in order. Everything else is in the library.

use std::io::{self, BufReader};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tofu_state_component::{BUILT_IN, Engine, Limits as CallLimits, Protocol};
use tofu_state_server::access::reload;
use tofu_state_server::access::{Access, Tokens};
use tofu_state_server::admin::Admin;
use tofu_state_server::cli::{self, Command, Flags, Serve};
use tofu_state_server::config::{self, Callers, Config, settings};
use tofu_state_server::listener::Limits;
use tofu_state_server::listener::accept;
use tofu_state_server::listener::budget::Budget;
use tofu_state_server::listener::states::States;
use tofu_state_server::stores;
use tofu_state_server::telemetry::{Metrics, logging};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How much longer than the longest wait for a store a call may take.
const BEYOND_STORE_WAIT: Duration = Duration::from_secs(40);

/// How much longer than the longest call the drain may take.
const BEYOND_CALLS: Duration = Duration::from_secs(5);

/// The configuration is wrong (clap's own status for a wrong command line).
const WRONG_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    match cli::parse() {
        Command::Serve(serve) => run_server(&serve),
        Command::Healthcheck(flags) => healthcheck(&flags),
        Command::TokenHash => token_hash(),
    }
}

fn run_server(arguments: &Serve) -> ExitCode {
    let config = match arguments.flags.with_environment(|source| Config::read(source, &arguments.options)) {
        Ok(config) => config,
        Err(mistakes) => return fail(&mistakes, WRONG_CONFIGURATION),
    };
    if let Err(error) = logging::start(&config.logging) {
        return fail(&error, 1);
    }
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    let ended = runtime.block_on(serve(config, arguments.address_file.as_deref()));
    // Ends the work in the background, and with its last user the store closes.
    drop(runtime);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            tracing::error!("{what}");
            ExitCode::FAILURE
        }
    }
}

/// From the configuration to the end of the last request.
async fn serve(config: Config, address_file: Option<&Path>) -> Result<(), String> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "starting");
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut signals = Signals::new().map_err(|error| format!("signals cannot be received: {error}"))?;

    // Who is let in.
    let reload_now = Arc::new(Notify::new());
    let (access, made) = callers(&config.callers)?;
    if let Callers::Configured(sources, _) = &config.callers {
        tokio::spawn(reload::follow(sources.clone(), access.clone(), Arc::clone(&reload_now)));
    }

    // The store.
    let stores::Opened { store, layout, background } = stores::open(&config).await?;
    background.into_iter().for_each(|work| drop(tokio::spawn(work)));

    // The component.
    let call_limits = call_limits(&config);
    let drain_time = call_limits.deadline + call_limits.queueing + BEYOND_CALLS;
    let (engine, protocol) = component(&config, call_limits).await?;

    // What is counted and watched.
    let methods = protocol.routes().iter().map(|route| route.method.clone());
    let metrics = Arc::new(Metrics::new(methods).map_err(|error| format!("metrics cannot be made: {error}"))?);
    let (look, last_look) = watch::channel(stores::watch::unknown());
    tokio::spawn(stores::watch::look(Arc::<stores::gate::Gate>::clone(&store), Arc::clone(&metrics), look));

    // The listeners.
    let listener = accept::bind(&config.listen, settings::LISTEN_ADDR.name).await?;
    let admin_listener = accept::bind(&config.admin, settings::ADMIN_ADDR.name).await?;
    let unknown = |error: io::Error| format!("a bound address is unknown: {error}");
    let listen_address = listener.local_addr().map_err(unknown)?;
    let admin_address = admin_listener.local_addr().map_err(unknown)?;
    let draining = CancellationToken::new();
    let stop_admin = CancellationToken::new();
    let abort = CancellationToken::new();
    let budget = Budget::new(config.max_body_memory);
    let limits = Limits::default();
    let calls = TaskTracker::new();
    let states = Arc::new(States {
        protocol: protocol.clone(),
        store,
        store_wait: config.store_wait,
        access,
        settings: config.protocol,
        max_state_bytes: config.max_state_bytes,
        budget: budget.clone(),
        limits,
        metrics: Arc::clone(&metrics),
        calls: calls.clone(),
    });
    let admin = Arc::new(Admin {
        metrics,
        budget,
        store: last_look,
        component: protocol.digest().to_owned(),
        draining: draining.clone(),
    });
    let serving = tokio::spawn(accept::serve(listener, states, limits, draining.clone(), abort.clone()));
    let watched = tokio::spawn(accept::serve(admin_listener, admin, limits, stop_admin.clone(), abort.clone()));

    // Ready.
    tracing::info!(listen = %listen_address, admin = %admin_address, component = protocol.digest(), "serving");
    if let Some(file) = address_file {
        cli::address_file::write(file, listen_address, admin_address)
            .map_err(|error| format!("--address-file {} cannot be written: {error}", file.display()))?;
    }
    if let Some(token) = made {
        cli::first_token::print(&mut io::stdout().lock(), listen_address, &token)
            .map_err(|error| format!("standard output cannot be written: {error}"))?;
    }

    // Until somebody wants it to end.
    signals.end(|| reload_now.notify_one()).await;
    tracing::info!(requests = calls.len(), "ending: no new connections, requests in flight are finished");
    tokio::spawn(async move {
        signals.end(|| {}).await;
        tracing::warn!("told to end again: ending at once");
        std::process::exit(1);
    });

    // The drain: connections first, then calls whose callers went away, then those who watch.
    draining.cancel();
    let drained = tokio::time::timeout(drain_time, async {
        let served = serving.await;
        calls.close();
        calls.wait().await;
        engine.drain().await;
        layout.settled().await;
        stop_admin.cancel();
        served.and(watched.await)
    });
    match drained.await {
        Ok(Ok(())) => tracing::info!("ended"),
        Ok(Err(error)) => tracing::error!(%error, "a listener ended early"),
        Err(_) => tracing::warn!("ended although some connections had not"),
    }
    abort.cancel();
    Ok(())
}

/// The callers' tokens; and the one that was made, if so.
fn callers(callers: &Callers) -> Result<(Access, Option<SecretString>), String> {
    match callers {
        Callers::Configured(_, tokens) => Ok((Access::new(tokens.clone()), None)),
        Callers::Make(folder) => {
            let token = cli::first_token::ensure(folder)?;
            Ok((Access::new(Tokens::default().with_shared(&token)), Some(token)))
        }
    }
}

/// A call that waits for the store must not be cut off before the store has had its time.
fn call_limits(config: &Config) -> CallLimits {
    let limits = CallLimits::default();
    let least = config.store_wait.unwrap_or_default() + BEYOND_STORE_WAIT;
    CallLimits { deadline: limits.deadline.max(least), ..limits }
}

/// The engine, and the component in it. Reading and compiling block, so they do it elsewhere.
async fn component(config: &Config, limits: CallLimits) -> Result<(Engine, Protocol), String> {
    let pinned = config.component.clone();
    let loading = tokio::task::spawn_blocking(move || {
        let engine = Engine::new(limits).map_err(|error| error.to_string())?;
        let protocol = match &pinned {
            None => engine.load(BUILT_IN).map_err(|error| format!("the built-in component cannot be used: {error}"))?,
            Some(pinned) => {
                let bytes = pinned.read().map_err(|error| format!("PROTOCOL_COMPONENT {error}"))?;
                engine.load(&bytes).map_err(|error| {
                    format!("PROTOCOL_COMPONENT {} cannot be used: {error}", pinned.path().display())
                })?
            }
        };
        Ok((engine, protocol))
    });
    loading.await.unwrap_or_else(|error| Err(format!("the component cannot be loaded: {error}")))
}

/// The signals that a server listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT; on SIGHUP calls `reload` and goes on.
    async fn end(&mut self, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.reload.recv() => reload(),
            }
        }
    }
}

fn healthcheck(flags: &Flags) -> ExitCode {
    let admin = match flags.with_environment(config::admin_address) {
        Ok(admin) => admin,
        Err(mistakes) => return fail(&mistakes, WRONG_CONFIGURATION),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    match runtime.block_on(cli::healthcheck::check(&admin)) {
        Ok(said) => {
            cli::say(&mut io::stdout(), &said);
            ExitCode::SUCCESS
        }
        Err(what) => fail(&what, 1),
    }
}

fn token_hash() -> ExitCode {
    match cli::token::hash(&mut BufReader::new(io::stdin()), &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => fail(&what, 1),
    }
}

/// Before there is a log, mistakes go to standard error.
fn fail(what: &dyn std::fmt::Display, status: u8) -> ExitCode {
    cli::say(&mut io::stderr(), &format!("tofu-state: {what}"));
    ExitCode::from(status)
}

//! The program: what happens at start and at the end, in order. Everything else is in the library.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tofu_state_component::{Engine, Limits as CallLimits};
use tofu_state_server::access::reload;
use tofu_state_server::access::{Access, Tokens};
use tofu_state_server::admin::Admin;
use tofu_state_server::admin::commands::{self, Commands};
use tofu_state_server::admin::socket::Socket;
use tofu_state_server::cli::exit::{self, fail};
use tofu_state_server::cli::{self, Command, Serve};
use tofu_state_server::config::{self, Callers, Config, ServeTls, settings};
use tofu_state_server::following::Rhythm;
use tofu_state_server::generations::control::Control;
use tofu_state_server::generations::follow;
use tofu_state_server::generations::load::Loader;
use tofu_state_server::listener::Limits;
use tofu_state_server::listener::accept;
use tofu_state_server::listener::budget::Budget;
use tofu_state_server::listener::listening::Listening;
use tofu_state_server::listener::states::States;
use tofu_state_server::mirror::{self, Mirroring, Services};
use tofu_state_server::recordings::Recordings;
use tofu_state_server::signals::Signals;
use tofu_state_server::stores;
use tofu_state_server::stores::locks::Looker;
use tofu_state_server::telemetry::audit::Writing;
use tofu_state_server::telemetry::traces::exporter::{Exporter, FLUSH};
use tofu_state_server::telemetry::traces::work::WorkSpans;
use tofu_state_server::telemetry::{Audit, Metrics, Telemetry, Traces, logging};
use tofu_state_server::tls::{self, Tls};
use tofu_state_store::Layout;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How much longer than the longest wait for a store a call may take.
const BEYOND_STORE_WAIT: Duration = Duration::from_secs(40);

/// How much longer than the longest call the drain may take.
const BEYOND_CALLS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    match cli::parse() {
        Command::Serve(serve) => run_server(&serve),
        Command::Healthcheck(flags) => exit::healthcheck(&flags),
        Command::Ask(asking) => exit::ask(&asking),
        Command::Policy(task) => exit::policy(&task),
        Command::Sandbox(task) => exit::sandbox(&task),
        Command::State(doing) => exit::state(&doing),
        Command::Transfer(doing) => exit::transfer(&doing),
        Command::Completions(shell) => exit::completions(shell),
        Command::Providers(task) => exit::providers(&task),
        Command::TokenHash => exit::token_hash(),
        Command::BackupCreate(flags, to) => exit::backup(&flags, |folder| cli::backup::create(folder, &to)),
        Command::BackupRestore(flags, from) => exit::backup(&flags, |folder| cli::backup::restore(folder, &from)),
    }
}

fn run_server(arguments: &Serve) -> ExitCode {
    let config = match arguments.flags.with_environment(|source| Config::read(source, &arguments.options)) {
        Ok(config) => config,
        Err(mistakes) => return fail(&mistakes, exit::WRONG_CONFIGURATION),
    };
    let spans = WorkSpans::default();
    if let Err(error) = logging::start(&config.logging, spans.clone()) {
        return fail(&error, 1);
    }
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    match runtime.block_on(run(config, spans, arguments.address_file.as_deref())) {
        Ok(()) => {
            // Ends the work in the background, and with its last user the store closes.
            drop(runtime);
            ExitCode::SUCCESS
        }
        Err(what) => {
            // What hangs may hang for ever; the store is made to lose nothing then.
            runtime.shutdown_timeout(exit::CLOSING);
            failed(&what)
        }
    }
}

/// Tells why the server has ended, in the log, or beside it where RUST_LOG lets no error through.
fn failed(what: &str) -> ExitCode {
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("{what}");
        return ExitCode::FAILURE;
    }
    fail(&what, 1)
}

/// From the configuration to the end of the last request.
async fn run(config: Config, spans: WorkSpans, address_file: Option<&Path>) -> Result<(), String> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "starting");
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut signals = Signals::new().map_err(|error| format!("signals cannot be received: {error}"))?;
    let (reload_now, reload) = watch::channel(());
    let running = tokio::select! {
        running = start(config, &spans, address_file, reload) => running?,
        () = signals.end(|| { reload_now.send_replace(()); }) => return Err("told to end before the server had started".to_owned()),
    };
    serve(running, signals, &reload_now).await
}

/// A server that serves.
struct Running {
    engine: Engine,
    layout: Arc<Layout>,
    calls: TaskTracker,
    drain_time: Duration,
    exporter: Option<Exporter>,
    states: Listening,
    admin: Listening,
    draining: CancellationToken,
    commands: Option<Listening>,
    stop_admin: CancellationToken,
    abort: CancellationToken,
    auditing: Option<Writing>,
}

/// The start, in order. Dropped half-way, it leaves nothing behind that outlives the runtime.
async fn start(
    mut config: Config,
    spans: &WorkSpans,
    address_file: Option<&Path>,
    reload: watch::Receiver<()>,
) -> Result<Running, String> {
    // What is counted.
    let metrics = Arc::new(Metrics::new().map_err(|error| format!("metrics cannot be made: {error}"))?);
    if config.metrics_groups {
        metrics.count_groups();
    }
    let (audit, auditing) =
        config.audit.clone().map(|target| Audit::start(target, Arc::clone(&metrics))).transpose()?.unzip();

    // What is recorded.
    let recordings = config.record.as_deref().map(|folder| recording_into(folder, &metrics)).transpose()?;

    // Who is let in.
    let (access, made) = callers(&config.callers)?;

    // The component, which is compiled while the store is opened.
    let call_limits = call_limits(&config);
    let drain_time = call_limits.deadline + call_limits.queueing + BEYOND_CALLS;
    let (sources, counted) = (config.sources.clone(), Arc::clone(&metrics));
    let loading = tokio::spawn(async move {
        let engine = engine(call_limits).await?;
        let follower = follow::first(sources, Loader::new(engine.clone()), counted).await?;
        Ok::<_, String>((engine, follower))
    });

    // The store.
    let calls = TaskTracker::new();
    let stores::Opened { store, layout, openbao, background } = stores::open(&config, &calls, &reload).await?;
    background.into_iter().for_each(|work| drop(tokio::spawn(work)));
    let (engine, follower) =
        loading.await.unwrap_or_else(|error| Err(format!("the component cannot be loaded: {error}")))?;
    let generations = Arc::clone(follower.generations());
    let (control, asked) = Control::new(Arc::clone(&generations));
    tokio::spawn(follower.follow(Rhythm::new(reload.clone()), asked));

    // Where traces go.
    let (traces, exporter) =
        config.traces.take().map(|traces| exporting(traces, spans, config.store.name(), &metrics)).unzip();

    // What is watched.
    if let Callers::Configured(sources, _) = &config.callers {
        let rhythm = Rhythm::new(reload.clone());
        tokio::spawn(reload::follow(sources.clone(), access.clone(), Arc::clone(&metrics), rhythm));
    }
    let tls = config.tls.map(|serve| tls(serve, reload)).transpose()?;
    let (look, last_look) = watch::channel(stores::watch::unknown());
    tokio::spawn(stores::watch::look(Arc::<stores::gate::Gate>::clone(&store), Arc::clone(&metrics), look));

    let serving = Arc::clone(&generations);
    tokio::spawn(stores::locks::look(Looker {
        protocol: Box::new(move || serving.current().parts.protocol.clone()),
        store: Arc::<stores::gate::Gate>::clone(&store),
        listed: Arc::<Layout>::clone(&layout),
        metrics: Arc::clone(&metrics),
        with_groups: config.metrics_groups,
    }));

    // The mirror.
    let mirror = match config.mirror.take() {
        Some(settings) => Some(mirror::open(settings)?),
        None => None,
    };

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
    let telemetry = Arc::new(Telemetry { metrics: Arc::clone(&metrics), audit, traces });
    let mirror = mirror.map(|mirror| {
        tokio::spawn(mirror::count(mirror.clone(), Arc::clone(&metrics), draining.clone()));
        let (telemetry, generations) = (Arc::clone(&telemetry), Arc::clone(&generations));
        Arc::new(Mirroring::new(mirror, access.clone(), limits, telemetry, generations))
    });
    let states = Arc::new(States {
        generations: Arc::clone(&generations),
        store,
        store_wait: config.store_wait,
        access,
        settings: config.protocol,
        max_state_bytes: config.max_state_bytes,
        budget: budget.clone(),
        limits,
        telemetry,
        recordings,
        calls: calls.clone(),
    });
    let admin = Arc::new(Admin {
        metrics,
        budget,
        store: last_look,
        engine: engine.clone(),
        generations: Arc::clone(&generations),
        tls: tls.clone(),
        openbao,
        draining: draining.clone(),
    });
    let commands = match &config.admin_socket {
        Some(path) => {
            let commands = Arc::new(Commands { generations: control });
            Some(Listening::spawn(
                settings::ADMIN_SOCKET.name,
                commands::serve(Socket::bind(path)?, commands, stop_admin.clone()),
            ))
        }
        None => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let services = Arc::new(Services { states, mirror });
    let serving = accept::serve(listener, tls, services, limits, draining.clone(), abort.clone());
    let watched = accept::serve(admin_listener, None, admin, Limits::admin(), stop_admin.clone(), abort.clone());
    let states = Listening::spawn(settings::LISTEN_ADDR.name, serving);
    let admin = Listening::spawn(settings::ADMIN_ADDR.name, watched);

    // Ready.
    tracing::info!(listen = %listen_address, scheme, admin = %admin_address, component = generations.current().parts.protocol.digest(), "serving");
    if let Some(file) = address_file {
        cli::address_file::write(file, listen_address, admin_address)
            .map_err(|error| format!("--address-file {} cannot be written: {error}", file.display()))?;
    }
    if let Some(token) = made {
        cli::first_token::print(&mut io::stdout().lock(), scheme, listen_address, &token)
            .map_err(|error| format!("standard output cannot be written: {error}"))?;
    }
    Ok(Running {
        engine,
        layout,
        calls,
        drain_time,
        exporter,
        states,
        admin,
        commands,
        draining,
        stop_admin,
        abort,
        auditing,
    })
}

/// Serves until somebody wants it to end, or it cannot go on; then the drain.
async fn serve(running: Running, mut signals: Signals, reload_now: &watch::Sender<()>) -> Result<(), String> {
    let Running {
        engine,
        layout,
        calls,
        drain_time,
        exporter,
        mut states,
        mut admin,
        mut commands,
        draining,
        stop_admin,
        abort,
        auditing,
    } = running;
    let early = tokio::select! {
        () = signals.end(|| { reload_now.send_replace(()); }) => Ok(()),
        ended = states.ended() => ended.and_then(|()| states.too_early()),
        ended = admin.ended() => ended.and_then(|()| admin.too_early()),
    };
    if let Err(what) = &early {
        tracing::error!("{what}");
    }
    tracing::info!(requests = calls.len(), "ending: no new connections, requests in flight are finished");
    tokio::spawn(async move {
        signals.end(|| {}).await;
        tracing::warn!("told to end again: ending at once");
        std::process::exit(1);
    });

    // Connections first, then calls whose callers went away, then those who watch.
    draining.cancel();
    let drained = tokio::time::timeout(drain_time, async {
        let served = states.ended().await;
        calls.close();
        calls.wait().await;
        engine.drain().await;
        layout.settled().await;
        stop_admin.cancel();
        if let Some(commands) = &mut commands {
            commands.ended().await?;
        }
        served.and(admin.ended().await)
    });
    let drained = drained.await.unwrap_or_else(|_| Err("ended although some requests had not".to_owned()));
    abort.cancel();
    if let Some(exporter) = exporter {
        exporter.flush(FLUSH).await;
    }
    let audited = match auditing {
        Some(writing) => writing.ended().await,
        None => Ok(()),
    };
    early.and(drained).and(audited)?;
    tracing::info!("ended");
    Ok(())
}

/// Records requests into this folder.
fn recording_into(folder: &Path, metrics: &Arc<Metrics>) -> Result<Recordings, String> {
    let recordings = Recordings::open(folder, Arc::clone(metrics))
        .map_err(|error| format!("{} {} cannot be used: {error}", settings::RECORD.name, folder.display()))?;
    tracing::warn!(folder = %folder.display(), "every request is recorded, without the texts of states");
    Ok(recordings)
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

/// The certificate and key to serve with, followed from now on.
fn tls(serve: ServeTls, reload: watch::Receiver<()>) -> Result<Tls, String> {
    let tls = Tls::new(serve.pair).map_err(|error| format!("TLS cannot be spoken: {error}"))?;
    tokio::spawn(tls::reload::follow(serve.files, tls.clone(), Rhythm::new(reload)));
    Ok(tls)
}

/// Who makes spans, and who sends them.
fn exporting(
    settings: config::Traces,
    spans: &WorkSpans,
    store: &'static str,
    metrics: &Arc<Metrics>,
) -> (Traces, Exporter) {
    let (queue, exporter) = Exporter::start(settings.exporter, metrics);
    spans.begin(settings.sampler.clone(), queue.clone());
    (Traces::new(settings.sampler, queue, store), exporter)
}

/// A call that waits for the store must not be cut off before the store has had its time.
fn call_limits(config: &Config) -> CallLimits {
    let limits = CallLimits::default();
    let least = config.store_wait.unwrap_or_default() + BEYOND_STORE_WAIT;
    CallLimits { deadline: limits.deadline.max(least), ..limits }
}

/// The engine. It asks for much address space, and that blocks.
async fn engine(limits: CallLimits) -> Result<Engine, String> {
    let making = tokio::task::spawn_blocking(move || Engine::new(limits).map_err(|error| error.to_string()));
    making.await.unwrap_or_else(|error| Err(format!("there is no engine for components: {error}")))
}

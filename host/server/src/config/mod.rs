//! The configuration: every setting read and checked before the first mistake is reported, so that one
//! start shows them all. Nothing is opened or connected to here.

mod access;
pub mod file;
mod mirror;
pub mod mistakes;
mod modules;
pub mod settings;
pub mod source;
mod store;
mod traces;
pub mod values;

use std::path::PathBuf;
use std::time::Duration;

use tofu_state_component::{ForceUnlock, Settings};

use crate::generations::source::Sources;
use crate::telemetry::audit::{Rotation, Target};
pub use access::{Callers, ServeTls};
pub use mirror::MirrorConfig;
pub use mistakes::{Mistake, Mistakes, Wrong};
pub use modules::policy_sources;
use source::Reading;
pub use source::{Secret, Source};
pub use store::{OpenBao, StoreChoice};
pub use traces::Traces;
pub use values::Bind;

/// The shortest `LOCK_TTL`: a client shows a sign of life at least every 20 s while it applies, but a
/// plan can compute for minutes without any.
const SHORTEST_LOCK_TTL: Duration = Duration::from_secs(10 * 60);
/// The longest `LOCK_TTL`.
const LONGEST_LOCK_TTL: Duration = Duration::from_secs(366 * 24 * 3600);
/// The longest `STORE_WAIT`: proxies and people give up before.
const LONGEST_STORE_WAIT: Duration = Duration::from_secs(120);
/// The least `MAX_STATE_BYTES` and `MAX_BODY_MEMORY`: a lock's body must fit.
const LEAST_BODY: u64 = 64 * 1024;
/// The largest `MAX_STATE_BYTES`: a call may hold 512 MiB (`host/component`), and holds two states at
/// once, the one that was sent and the one that is stored.
const LARGEST_STATE: u64 = 256 * 1024 * 1024;

/// What the command line alone says, apart from the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Make a token for callers if there is none yet (`--make-token`).
    pub make_token: bool,
}

/// The checked configuration.
#[derive(Debug)]
pub struct Config {
    /// Where states are served.
    pub listen: Bind,
    /// Where the server is watched.
    pub admin: Bind,
    /// What states are served with over TLS; none: without it.
    pub tls: Option<ServeTls>,
    /// Which store holds the states.
    pub store: StoreChoice,
    /// How long requests wait for a store that fails over; none: not at all.
    pub store_wait: Option<Duration>,
    /// How many revisions of each state stay recoverable.
    pub keep_versions: u32,
    /// Where the callers' tokens come from.
    pub callers: Callers,
    /// Where the server takes commands.
    pub admin_socket: Option<PathBuf>,
    /// Where the component comes from.
    pub sources: Sources,
    /// The largest state in bytes.
    pub max_state_bytes: usize,
    /// How many bytes the bodies of requests in flight, and of answers with a state, may take together.
    pub max_body_memory: usize,
    /// What concerns the protocol and not the host.
    pub protocol: Settings,
    /// What is not wrong, but worth a line in the log.
    pub warnings: Vec<String>,
    /// How and what to log.
    pub logging: Logging,
    /// Where audit records go, if anywhere.
    pub audit: Option<Target>,
    /// Where requests are recorded, if anywhere.
    pub record: Option<PathBuf>,
    /// Whether metrics name groups of states.
    pub metrics_groups: bool,
    /// The mirror of providers, if there is one.
    pub mirror: Option<MirrorConfig>,
    /// Where traces are sent; none: nothing is traced.
    pub traces: Option<Traces>,
}

/// How and what to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// How lines look; none: text on a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// A filter in the syntax of `RUST_LOG`, checked.
    pub filter: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads and checks every setting.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn read(source: &Source<'_>, options: &Options) -> Result<Self, Mistakes> {
        let mut reading = Reading::new(source);
        let r = &mut reading;

        let listen = access::listen(r, options);
        let admin = r.value(&settings::ADMIN_ADDR, values::bind);
        let tls_terminated = r.value(&settings::TLS_TERMINATED, values::boolean);
        let tls = access::tls(r);
        let store = store::choice(r);
        let store_wait =
            r.value(&settings::STORE_WAIT, |text| values::duration(text, Duration::ZERO, LONGEST_STORE_WAIT));
        let keep_versions = r.value(&settings::KEEP_VERSIONS, |text| values::number(text, 1, 1_000_000));
        let callers = access::callers(r, options, listen.as_ref());
        let admin_socket = r.value(&settings::ADMIN_SOCKET, values::path);
        let sources = modules::sources(r);
        let max_state_bytes = r.value(&settings::MAX_STATE_BYTES, |text| values::size(text, LEAST_BODY, LARGEST_STATE));
        let max_body_memory = r.value(&settings::MAX_BODY_MEMORY, |text| values::size(text, LEAST_BODY, u64::MAX));
        let protocol = protocol(r);
        let logging = logging(r);
        let audit = audit(r);
        let record = r.value(&settings::RECORD, values::path);
        let metrics_groups = r.value(&settings::METRICS_GROUPS, values::boolean);
        let traces = traces::traces(r);
        let mirror = mirror::mirror(r);

        if let (Some(listen), Some(false), None) = (&listen, tls_terminated, &tls)
            && !listen.is_loopback()
        {
            r.warnings.push(format!(
                "LISTEN_ADDR {listen} is served without TLS: tokens and states cross the network in clear text, \
                 unless a proxy in front speaks TLS (then set TLS_TERMINATED=true); or set TLS_CERT_FILE and \
                 TLS_KEY_FILE"
            ));
        }
        if let (Some(state), Some(memory)) = (max_state_bytes, max_body_memory)
            && state > memory
        {
            let wrong = Wrong::new(
                format!("smaller than MAX_STATE_BYTES ({state} bytes): the largest state could never be sent"),
                "raise it, or lower MAX_STATE_BYTES",
            );
            r.mistake(settings::MAX_BODY_MEMORY.name, Some(memory.to_string()), wrong);
        }

        let warnings = std::mem::take(&mut reading.warnings);
        let config = move || {
            Some(Self {
                listen: listen?,
                admin: admin?,
                tls,
                store: store?,
                store_wait: store_wait.map(|wait| (!wait.is_zero()).then_some(wait))?,
                keep_versions: keep_versions?,
                callers: callers?,
                admin_socket,
                sources: sources?,
                max_state_bytes: max_state_bytes?,
                max_body_memory: max_body_memory?,
                protocol: Settings { join_runs: traces.is_some(), ..protocol? },
                warnings,
                logging: logging?,
                audit: audit?,
                record,
                metrics_groups: metrics_groups?,
                mirror,
                traces,
            })
        };
        match config() {
            Some(config) if reading.is_clean() => Ok(config),
            // What is missing has left a mistake behind.
            _ => Err(reading.mistakes()),
        }
    }
}

/// Where a server on this machine is watched, for `healthcheck`.
///
/// # Errors
/// The mistake in it.
pub fn admin_address(source: &Source<'_>) -> Result<Bind, Mistakes> {
    let mut reading = Reading::new(source);
    match reading.value(&settings::ADMIN_ADDR, values::bind) {
        Some(address) => Ok(address),
        None => Err(reading.mistakes()),
    }
}

/// The embedded store's folder, for `backup`.
///
/// # Errors
/// The mistake in it.
pub fn data_dir(source: &Source<'_>) -> Result<PathBuf, Mistakes> {
    let mut reading = Reading::new(source);
    match reading.value(&settings::DATA_DIR, values::path) {
        Some(folder) => Ok(folder),
        None => Err(reading.mistakes()),
    }
}

/// What commands log, and where their spans go. They are as quiet as `RUST_LOG=warn` and write for people,
/// unless it is said otherwise.
///
/// # Errors
/// All mistakes in it.
pub fn of_commands(source: &Source<'_>) -> Result<(Logging, Option<Traces>), Mistakes> {
    let mut reading = Reading::new(source);
    let quiet = reading.given(&settings::RUST_LOG).is_none();
    let (logging, traces) = (logging(&mut reading), traces::traces(&mut reading));
    match logging {
        Some(logging) if reading.is_clean() => {
            let filter = if quiet { "warn".to_owned() } else { logging.filter };
            Ok((Logging { filter, format: Some(logging.format.unwrap_or(LogFormat::Text)) }, traces))
        }
        _ => Err(reading.mistakes()),
    }
}

fn protocol(r: &mut Reading<'_>) -> Option<Settings> {
    let path_segments = r.value(&settings::PATH_SEGMENTS, |text| values::number(text, 1, 8));
    let lock_ttl = r.value(&settings::LOCK_TTL, |text| match text {
        "off" => Ok(None),
        text => values::duration(text, SHORTEST_LOCK_TTL, LONGEST_LOCK_TTL)
            .map(Some)
            .map_err(|wrong| Wrong::new(wrong.what, format!("{}, or `off`", wrong.write))),
    });
    let force_unlock = r.value(&settings::FORCE_UNLOCK, |text| {
        let choices = [("any", ForceUnlock::Any), ("id", ForceUnlock::Id), ("off", ForceUnlock::Off)];
        values::choice(text, &choices)
    });
    Some(Settings {
        path_segments: u8::try_from(path_segments?).ok()?,
        lock_ttl: lock_ttl?.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
        force_unlock: force_unlock?,
        join_runs: false,
    })
}

fn logging(r: &mut Reading<'_>) -> Option<Logging> {
    let format = r.value(&settings::LOG_FORMAT, |text| {
        values::choice(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
    });
    let filter = r.value(&settings::RUST_LOG, |text| {
        tracing_subscriber::EnvFilter::builder().parse(text).map(|_| text.to_owned()).map_err(|error| {
            Wrong::new(format!("not a log filter: {error}"), "write a level such as `info`, or `tofu_state=debug,info`")
        })
    });
    Some(Logging { format, filter: filter? })
}

fn audit(r: &mut Reading<'_>) -> Option<Option<Target>> {
    let target = r.value(&settings::AUDIT_LOG, |text| Ok(text.to_owned()));
    let max_bytes = r.value(&settings::AUDIT_MAX_BYTES, |text| values::size(text, LEAST_BODY, u64::MAX));
    let keep = r.value(&settings::AUDIT_KEEP_FILES, |text| values::number(text, 0, 10_000));
    let rotation = Rotation { max_bytes: max_bytes? as u64, keep: keep? };
    Some(match target?.as_str() {
        "off" => None,
        "stdout" => Some(Target::Stdout),
        file => Some(Target::File(file.into(), rotation)),
    })
}

#[cfg(test)]
mod tests;

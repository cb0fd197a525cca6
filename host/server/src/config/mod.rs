//! The configuration: every setting read and checked before the first mistake is reported, so that one
//! start shows them all. Nothing is opened or connected to here.

pub mod file;
mod mirror;
pub mod mistakes;
pub mod settings;
pub mod source;
mod store;
mod traces;
pub mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

use time::OffsetDateTime;
use tofu_state_component::{ForceUnlock, Settings};

use crate::access::sources::Sources as TokenSources;
use crate::access::tokens::Tokens;
use crate::generations::signature::Key;
use crate::generations::source::{Place, ProtocolSource, Sources};
use crate::oci;
use crate::policies::PolicyFile;
use crate::telemetry::audit::{Rotation, Target};
use crate::tls;
pub use mirror::MirrorConfig;
pub use mistakes::{Mistake, Mistakes, Wrong};
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
/// A shared token shorter than this can be guessed.
const SHORT_TOKEN: usize = 16;
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

/// Where the callers' tokens come from.
#[derive(Debug)]
pub enum Callers {
    /// From the configuration, where they can change, and as they are at the moment.
    Configured(TokenSources, Tokens),
    /// A shared token is made in this folder, `DATA_DIR` (`--make-token`).
    Make(PathBuf),
}

/// Certificate and key.
#[derive(Debug)]
pub struct ServeTls {
    /// Where they lie, and can change.
    pub files: tls::Files,
    /// As they are at the moment.
    pub pair: tls::Pair,
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

        let listen = listen(r, options);
        let admin = r.value(&settings::ADMIN_ADDR, values::bind);
        let tls_terminated = r.value(&settings::TLS_TERMINATED, values::boolean);
        let tls = serve_tls(r);
        let store = store::choice(r);
        let store_wait =
            r.value(&settings::STORE_WAIT, |text| values::duration(text, Duration::ZERO, LONGEST_STORE_WAIT));
        let keep_versions = r.value(&settings::KEEP_VERSIONS, |text| values::number(text, 1, 1_000_000));
        let callers = callers(r, options, listen.as_ref());
        let admin_socket = r.value(&settings::ADMIN_SOCKET, values::path);
        let sources = sources(r);
        let max_state_bytes = r.value(&settings::MAX_STATE_BYTES, |text| values::size(text, LEAST_BODY, LARGEST_STATE));
        let max_body_memory = r.value(&settings::MAX_BODY_MEMORY, |text| values::size(text, LEAST_BODY, u64::MAX));
        let protocol = protocol(r);
        let logging = logging(r);
        let audit = audit(r);
        let record = r.value(&settings::RECORD, values::path);
        let metrics_groups = r.value(&settings::METRICS_GROUPS, values::boolean);
        let traces = traces::traces(r);
        let mirror = mirror::mirror(r);
        not_yet(r);

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

/// The policy file at `path` and what modules may come from, for `policy check`.
///
/// # Errors
/// All mistakes at once.
pub fn policy_sources(source: &Source<'_>, path: &Path) -> Result<Sources, Mistakes> {
    let mut reading = Reading::new(source);
    match modules(&mut reading) {
        Some((registries, key)) if reading.is_clean() => {
            Ok(Sources { protocol: ProtocolSource::BuiltIn, policies: Some(path.to_owned()), registries, key })
        }
        _ => Err(reading.mistakes()),
    }
}

/// With a token just made, only this machine may connect: so that is the default then.
fn listen(r: &mut Reading<'_>, options: &Options) -> Option<Bind> {
    if options.make_token && r.given(&settings::LISTEN_ADDR).is_none() {
        return Some(Bind { host: Some("127.0.0.1".to_owned()), port: 8080 });
    }
    r.value(&settings::LISTEN_ADDR, values::bind)
}

fn callers(r: &mut Reading<'_>, options: &Options, listen: Option<&Bind>) -> Option<Callers> {
    let token_given = [settings::API_TOKEN.name.to_owned(), settings::API_TOKEN.file_variable()]
        .iter()
        .any(|name| r.variable(name).is_some());
    let file_given = r.given(&settings::TOKENS_FILE).is_some();
    if options.make_token {
        if token_given || file_given {
            let wrong = Wrong::new("a token is configured already", "leave --make-token out, or the tokens");
            r.mistake("--make-token", None, wrong);
            return None;
        }
        if listen.is_some_and(|listen| !listen.is_loopback()) {
            let wrong = Wrong::new(
                "LISTEN_ADDR can be reached from other machines",
                "listen on 127.0.0.1 or [::1], or configure a token of your own",
            );
            r.mistake("--make-token", None, wrong);
            return None;
        }
        return r.value(&settings::DATA_DIR, values::path).map(Callers::Make);
    }
    if !token_given && !file_given {
        let wrong = Wrong::new(
            "neither it nor TOKENS_FILE is set, and the server does not serve states to everybody",
            "set one of them, for instance API_TOKEN to what `openssl rand -hex 32` prints",
        );
        r.mistake(settings::API_TOKEN.name, None, wrong);
        return None;
    }
    let shared = r.secret(&settings::API_TOKEN);
    if let Some(secret) = &shared
        && secrecy::ExposeSecret::expose_secret(&secret.value).len() < SHORT_TOKEN
    {
        r.warnings.push(format!("API_TOKEN has fewer than {SHORT_TOKEN} characters and can be guessed"));
    }
    let tokens_file = r.value(&settings::TOKENS_FILE, values::path);
    let sources = TokenSources { shared, tokens_file };
    match sources.read() {
        Ok(tokens) => {
            let expired: Vec<_> = tokens.expired(OffsetDateTime::now_utc()).collect();
            if !expired.is_empty() {
                r.warnings
                    .push(format!("TOKENS_FILE has expired entries, which let nobody in: {}", expired.join(", ")));
            }
            Some(Callers::Configured(sources, tokens))
        }
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| r.mistake(&mistake.setting, mistake.value, mistake.wrong));
            None
        }
    }
}

fn serve_tls(r: &mut Reading<'_>) -> Option<ServeTls> {
    let certificate = r.value(&settings::TLS_CERT_FILE, values::path);
    let key = r.value(&settings::TLS_KEY_FILE, values::path);
    let (certificate, key) = match (certificate, key) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        (certificate, _) => {
            let (missing, given) = match certificate {
                Some(_) => (&settings::TLS_KEY_FILE, &settings::TLS_CERT_FILE),
                None => (&settings::TLS_CERT_FILE, &settings::TLS_KEY_FILE),
            };
            let wrong = Wrong::new(format!("not set, but {} is", given.name), "set both or neither");
            r.mistake(missing.name, None, wrong);
            return None;
        }
    };
    let files = tls::Files { certificate, key };
    match tls::Pair::read(&files) {
        Ok(pair) => {
            let now = OffsetDateTime::now_utc();
            if !pair.is_valid(now) {
                r.warnings.push(format!("TLS_CERT_FILE: {}: clients will refuse it", pair.validity(now)));
            }
            Some(ServeTls { files, pair })
        }
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| r.mistake(&mistake.setting, mistake.value, mistake.wrong));
            None
        }
    }
}

fn sources(r: &mut Reading<'_>) -> Option<Sources> {
    let protocol = component(r);
    let modules = modules(r);
    let policies = policies(r);
    let (registries, key) = modules?;
    Some(Sources { protocol, policies, registries, key })
}

/// How registries are reached, and who signs what comes from anywhere.
fn modules(r: &mut Reading<'_>) -> Option<(oci::Settings, Option<Key>)> {
    let cache = r.value(&settings::MODULE_CACHE_DIR, values::path);
    let credentials = r.value(&settings::OCI_CREDENTIALS_FILE, values::path);
    let ca = r.value(&settings::OCI_CACERT, values::path);
    let key = r.value(&settings::MODULE_PUBLIC_KEY, |text| {
        text.parse::<Key>()
            .map_err(|error| Wrong::new(error.to_string(), "write the second line of the .pub file that minisign made"))
    });
    Some((oci::Settings { cache: cache?, credentials, ca }, key))
}

fn component(r: &mut Reading<'_>) -> ProtocolSource {
    let named_in = r.value(&settings::PROTOCOL_COMPONENT_FILE, values::path);
    if r.given(&settings::PROTOCOL_COMPONENT).is_none() {
        return named_in.map_or(ProtocolSource::BuiltIn, ProtocolSource::NamedIn);
    }
    if named_in.is_some() {
        let wrong = Wrong::new("PROTOCOL_COMPONENT_FILE is set too", "set one of the two");
        r.mistake(settings::PROTOCOL_COMPONENT.name, None, wrong);
    }
    let pinned = r.value(&settings::PROTOCOL_COMPONENT, |text| {
        text.parse::<Place>()
            .map_err(|error| Wrong::new(error.to_string(), "write `PATH@sha256:` and 64 hexadecimal digits"))
    });
    pinned.map_or(ProtocolSource::BuiltIn, ProtocolSource::Pinned)
}

/// The file is read when the server starts; here so that its mistakes are told with all others.
fn policies(r: &mut Reading<'_>) -> Option<PathBuf> {
    r.given(&settings::POLICY_FILE)?;
    let path = r.value(&settings::POLICY_FILE, values::path)?;
    match PolicyFile::read(&path) {
        Ok(_) => Some(path),
        Err(mistakes) => {
            for what in mistakes {
                let wrong = Wrong::new(what, "correct it");
                r.mistake(settings::POLICY_FILE.name, Some(path.display().to_string()), wrong);
            }
            None
        }
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

fn not_yet(r: &mut Reading<'_>) {
    for (name, remedy) in settings::NOT_YET {
        if let Some(value) = r.variable(name) {
            r.mistake(name, Some(value), Wrong::new("this release does not know the setting yet", *remedy));
        }
    }
}

#[cfg(test)]
mod tests;

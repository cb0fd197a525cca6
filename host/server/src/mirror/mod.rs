//! The mirror of providers over HTTP: `/-/mirror/` (the network mirror protocol) and `/-/registry/` (the registry
//! protocol, for `host` blocks in the CLI configuration).
//!
//! It stands beside the states' service and knows nothing of them; what a mirror is stands in `host/providers`.

mod documents;
mod packages;
mod reply;
mod target;
mod upload;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use time::OffsetDateTime;
use tofu_state_component::Rights;
use tofu_state_providers::Style;
use tofu_state_providers::cli_config::{CliConfig, Environment};
use tofu_state_providers::http::{Http, Patience};
use tofu_state_providers::mirror::Mirror;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::access::{self, Access, Identity};
use crate::config::MirrorConfig;
use crate::generations::Generations;
use crate::listener::accept::Answer;
use crate::listener::outgoing::Outgoing;
use crate::listener::states::States;
use crate::listener::{Limits, body, head, path, reply as sealing};
use crate::telemetry::{Metrics, Record, Telemetry, Upload};
use reply::Refused;
use target::Target;

/// How often what the mirror has done is counted.
const COUNTING: Duration = Duration::from_secs(5);

/// What it takes to serve a mirror.
pub struct Mirroring {
    mirror: Mirror,
    access: Access,
    limits: Limits,
    telemetry: Arc<Telemetry>,
    generations: Arc<Generations>,
    uploads: Semaphore,
}

/// States, and beside them a mirror if there is one.
pub struct Services {
    /// What serves states.
    pub states: Arc<States>,
    /// What serves the mirror.
    pub mirror: Option<Arc<Mirroring>>,
}

impl Answer for Services {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Outgoing> {
        match &self.mirror {
            Some(mirror) if target::is_ours(request.uri().path()) => Arc::clone(mirror).answer(request).await,
            _ => Arc::clone(&self.states).answer(request).await,
        }
    }
}

impl Answer for Mirroring {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Outgoing> {
        let received = SystemTime::now();
        let (parts, mut incoming) = request.into_parts();
        let request_id = head::request_id(&parts.headers);
        let segments = path::segments(parts.uri.path());
        let target = Target::read(&segments);
        let (kind, route) = target.as_ref().map_or(("unknown", "/-/mirror/{path}"), |it| (it.kind(), it.route()));
        let mut record =
            Record::begin(&self.telemetry, self.generations.current().number, &request_id, &parts, received);
        record.serves(route, &target::recorded(parts.uri.path()));
        let answered = match target {
            None => Err(Refused::not_found("There is no such thing in the mirror.")),
            Some(target) => self.perform(&parts, target, &segments, &mut incoming, &mut record).await,
        };
        let mut response = match answered {
            Ok(response) => {
                record.finish(response.status().as_u16()).settled().await;
                response
            }
            Err(refused) => {
                if refused.status.is_server_error() {
                    tracing::warn!(request_id, kind, refused.message, "the mirror has no answer");
                }
                // Who is still sending would find the connection reset, and not the answer.
                if !parts.headers.contains_key(http::header::EXPECT) {
                    body::discard(&mut incoming, &self.limits).await;
                }
                record.refuse(refused.status.as_u16(), refused.code).settled().await;
                refused.response(&request_id)
            }
        };
        self.telemetry.metrics.mirror.answered(kind, response.status().as_u16());
        sealing::seal(&mut response, &request_id);
        response
    }
}

impl Mirroring {
    /// `access` says who is let in, `limits` how slowly they may be, `telemetry` who is told of requests, and
    /// `generations` which component and policies serve states meanwhile: records name them.
    #[must_use]
    pub fn new(
        mirror: Mirror,
        access: Access,
        limits: Limits,
        telemetry: Arc<Telemetry>,
        generations: Arc<Generations>,
    ) -> Self {
        let limits = limits.of_uploads();
        Self { mirror, access, limits, telemetry, generations, uploads: Semaphore::new(upload::AT_ONCE) }
    }

    async fn perform(
        &self,
        parts: &http::request::Parts,
        target: Target,
        segments: &[String],
        incoming: &mut Incoming,
        record: &mut Record,
    ) -> Result<Response<Outgoing>, Refused> {
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        // Links come first: clients send no credentials with them.
        if let Target::File { grant, address, version, name } = &target {
            if !reads {
                return Err(Refused::method("GET, HEAD"));
            }
            let link = target::link(address, version, name);
            if !self.mirror.links().allows(grant, &link) {
                let message =
                    "The link has expired or is not one of this mirror's. Ask for the version's document again.";
                return Err(Refused::new(StatusCode::FORBIDDEN, "wrong-link", message));
            }
            return packages::file(&self.mirror, &parts.headers, address, version, name).await;
        }
        if let (Target::Package { address, version, platform }, &Method::PUT) = (&target, &parts.method) {
            record.uploads(Upload {
                provider: address.to_string(),
                version: version.to_string(),
                platform: platform.to_string(),
                sha256: None,
                is_new: false,
            });
        }
        let identity = self.access.authenticate(&parts.headers, OffsetDateTime::from(SystemTime::now()))?;
        record.caller(&identity, identity.caller(segments).kind);
        match target {
            Target::Package { address, version, platform } => {
                if parts.method != Method::PUT {
                    return Err(Refused::method("PUT"));
                }
                needs(&identity, segments, Rights::WRITE)?;
                if !self.mirror.takes(&address) {
                    return Err(upload::not_here(&address));
                }
                let _place = self.uploads.try_acquire().map_err(|_| upload::busy())?;
                let zip = upload::receive(&self.mirror, &self.limits, incoming).await?;
                record.received(zip.sha256.to_string());
                let (is_new, response) =
                    upload::package(&self.mirror, zip, &address, &version, &platform, identity.name()).await?;
                record.uploaded(is_new);
                Ok(response)
            }
            target if reads => {
                needs(&identity, segments, Rights::READ)?;
                documents::answer(&self.mirror, target).await
            }
            _ => Err(Refused::method("GET, HEAD")),
        }
    }
}

/// Rights on the mirror are rights on paths below `-/mirror` and `-/registry`.
fn needs(identity: &Identity, segments: &[String], right: Rights) -> Result<(), Refused> {
    if identity.caller(segments).rights.contains(right) {
        return Ok(());
    }
    let message = "This token does not have the right that this request needs here.";
    Err(Refused::new(StatusCode::FORBIDDEN, "missing-right", message))
}

impl From<access::Refusal> for Refused {
    fn from(refusal: access::Refusal) -> Self {
        match refusal {
            access::Refusal::NoCredentials => Self::no_credentials(),
            access::Refusal::WrongCredentials => {
                Self::new(StatusCode::FORBIDDEN, "wrong-credentials", "The token is unknown or has expired.")
            }
        }
    }
}

/// Opens the mirror that the configuration asks for.
///
/// # Errors
/// A sentence.
pub fn open(MirrorConfig { settings, upstream }: MirrorConfig) -> Result<Mirror, String> {
    let folder = settings.folder.clone();
    let mut environment = Environment::of_process();
    // The server's own file, and nobody's home.
    environment
        .set_variable("TF_CLI_CONFIG_FILE", &upstream.map(|path| path.display().to_string()).unwrap_or_default());
    environment.set_variable("TERRAFORM_CONFIG", "");
    environment.set_variable("HOME", "");
    environment.set_variable("XDG_DATA_HOME", "");
    let upstream =
        CliConfig::load(Style::Tofu, environment).map_err(|error| format!("MIRROR_CLI_CONFIG_FILE: {error}"))?;
    for remark in &upstream.remarks {
        tracing::warn!("MIRROR_CLI_CONFIG_FILE: {remark}");
    }
    let http = Http::new(Patience::from_environment())?;
    let opened = Mirror::open(settings, Arc::new(upstream), http);
    opened.map_err(|error| format!("MIRROR_DIR {}: {error}", folder.display()))
}

/// Counts what the mirror has done, until `stop`.
pub async fn count(mirror: Mirror, metrics: Arc<Metrics>, stop: CancellationToken) {
    loop {
        let looked = mirror.clone();
        // Looking at the folder blocks.
        let bytes = tokio::task::spawn_blocking(move || looked.bytes()).await.unwrap_or(0);
        metrics.mirror.counted(&mirror.counts(), bytes);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(COUNTING) => {}
        }
    }
}

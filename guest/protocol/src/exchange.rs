//! Requests and replies in the logic's own terms. `wit/handler.wit` documents the same records for
//! those who implement the contract; the glue in `component.rs` translates.

/// How the caller has shown who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// By the token that all callers share.
    SharedToken,
    /// By a token of its own.
    NamedToken,
}

/// Who sent the request, as the host established it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The token's name, or `shared`.
    pub name: String,
    /// How it has shown who it is.
    pub kind: CallerKind,
    /// Whether it may break somebody else's lock on this path. The host has checked the other rights.
    pub may_break_locks: bool,
}

/// W3C trace context, carried and never interpreted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TraceContext {
    /// The `traceparent` header.
    pub traceparent: String,
    /// The `tracestate` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}

/// Which forced unlocks are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForceUnlock {
    /// With an ID and without.
    Any,
    /// Only with the lock's ID.
    Id,
    /// None.
    Off,
}

/// The operator's settings that concern the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Age in milliseconds from which a LOCK takes over another's lock; none: never.
    pub lock_ttl: Option<u64>,
    /// Which forced unlocks are allowed.
    pub force_unlock: ForceUnlock,
    /// How many segments a state's path may have at most.
    pub path_segments: u8,
    /// A read names the run that holds the lock.
    pub join_runs: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lock_ttl: None, force_unlock: ForceUnlock::Any, path_segments: 2, join_runs: false }
    }
}

/// One HTTP request.
#[derive(Debug)]
pub struct Request<B> {
    /// The method as it was sent.
    pub method: String,
    /// The path after its first `/`, split at `/`, each segment percent-decoded once.
    pub path: Vec<String>,
    /// The query as it was sent, without the `?`.
    pub query: Option<String>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; none if it was empty.
    pub body: Option<B>,
    /// Who asks.
    pub caller: Caller,
    /// When it arrived: milliseconds since 1970-01-01T00:00:00Z.
    pub received: u64,
    /// The operator's settings.
    pub settings: Settings,
    /// The trace of this request, if it has one.
    pub trace: Option<TraceContext>,
    /// For error bodies.
    pub request_id: String,
}

/// What a request tried to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// Read a state.
    Get,
    /// Write a state.
    Write,
    /// Delete a state.
    Delete,
    /// Take a lock.
    Lock,
    /// Release one's own lock.
    Unlock,
    /// Break a lock.
    ForceUnlock,
    /// Read what is known of states, versions, locks or refused states.
    List,
    /// Read a state's outputs.
    Outputs,
    /// Compare two versions of a state.
    Difference,
    /// Write a state that a policy had refused.
    Accept,
    /// Throw away a state that a policy had refused.
    Discard,
    /// Nothing that the protocol knows.
    #[default]
    None,
}

/// What can be told of a state without understanding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSummary {
    /// `serial`.
    pub serial: u64,
    /// `lineage`.
    pub lineage: String,
    /// Size in bytes.
    pub size: u64,
    /// `terraform_version`.
    pub tool_version: Option<String>,
    /// Encrypted by the client.
    pub encrypted: bool,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

/// What the host records of a request without knowing the protocol.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// What it tried to do.
    pub operation: Operation,
    /// How it ended, in one stable word.
    pub outcome: &'static str,
    /// The state's path.
    pub path: String,
    /// The lock's ID that the request named or met.
    pub lock_id: Option<String>,
    /// `Who` of the lock concerned.
    pub lock_who: Option<String>,
    /// A lock was broken.
    pub forced: bool,
    /// A write was made while nobody held the lock.
    pub unlocked: bool,
    /// The state before.
    pub before: Option<StateSummary>,
    /// The state after.
    pub after: Option<StateSummary>,
    /// How many compare-and-sets were lost on the way.
    pub conflicts: u32,
    /// The policy that denied the change.
    pub denied_by: Option<String>,
    /// The key under which a refused state is kept aside.
    pub quarantined: Option<String>,
    /// The trace of the run that this request belongs to.
    pub run_trace: Option<TraceContext>,
}

/// A reply's body.
#[derive(Debug)]
pub enum Body<B> {
    /// None.
    None,
    /// Made here.
    Bytes(Vec<u8>),
    /// A state, passed on as it is.
    Blob(B),
}

/// The answer without its event.
#[derive(Debug)]
pub struct Reply<B> {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body<B>,
}

/// The answer to one HTTP request.
#[derive(Debug)]
pub struct Response<B> {
    /// What the caller gets.
    pub reply: Reply<B>,
    /// What the host records.
    pub event: Event,
}

impl<B: crate::outside::Blob> Request<B> {
    /// The first header of that name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The whole body; empty if there is none. Only for bodies that a route bounds to a few KiB.
    #[must_use]
    pub fn small_body(&self) -> Vec<u8> {
        let Some(body) = &self.body else { return Vec::new() };
        let (mut bytes, len) = (body.read(0, 64 * 1024), body.len());
        while (bytes.len() as u64) < len {
            let piece = body.read(bytes.len() as u64, 64 * 1024);
            if piece.is_empty() {
                break;
            }
            bytes.extend_from_slice(&piece);
        }
        bytes
    }
}

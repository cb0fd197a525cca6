//! What goes into a component call and what comes out of it, in the host's own terms.
//!
//! The records that the WIT shares (`Caller`, `Event`, `Route` …) are the generated ones, re-exported
//! by the crate; here stand only those that carry a [`Blob`], which is a resource in the WIT.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tofu_state_store::{Blob, Store};

use crate::policies::{Chain, Review};
use crate::{Caller, Event, Rights, Settings, TraceContext};

/// One HTTP request, already let in, its body read.
#[derive(Clone)]
pub struct Request {
    /// The method as it was sent.
    pub method: String,
    /// The path after its first `/`, split at `/`, each segment percent-decoded once.
    pub path: Vec<String>,
    /// The query as it was sent, without the `?`.
    pub query: Option<String>,
    /// The headers that the protocol needs, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; none if there was none or an empty one.
    pub body: Option<Blob>,
    /// Who asks, and what they may.
    pub caller: Caller,
    /// When the request arrived.
    pub received: SystemTime,
    /// The operator's settings that concern the protocol.
    pub settings: Settings,
    /// The caller's trace, or the one begun for this request.
    pub trace: Option<TraceContext>,
    /// Appears in logs and in error bodies.
    pub request_id: String,
}

/// What a call reaches besides its request.
#[derive(Clone)]
pub struct Surroundings {
    /// The store that the component's `store` import stands for.
    pub store: Arc<dyn Store>,
    /// How long its store calls wait, all together, for a store that fails over; none: they do not.
    pub store_wait: Option<Duration>,
    /// The policies that judge changes.
    pub policies: Arc<Chain>,
    /// What the caller may do with other states than the one that the request names.
    pub rights: Granted,
}

/// What a caller may do with the state at a path. By default nothing anywhere.
#[derive(Clone, Default)]
pub struct Granted(Option<Arc<RightsOn>>);

type RightsOn = dyn Fn(&str) -> Rights + Send + Sync;

impl Granted {
    /// Asks `on` about each path.
    #[must_use]
    pub fn by(on: impl Fn(&str) -> Rights + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(on)))
    }

    /// The rights on the state at `path`.
    #[must_use]
    pub fn on(&self, path: &str) -> Rights {
        self.0.as_ref().map_or(Rights::empty(), |on| on(path))
    }
}

/// How long the parts of a call took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// It waited that long for its turn.
    pub queued: Duration,
    /// When its instance was begun, and how long the call took from there, the instance's making included;
    /// none: it never had its turn.
    pub ran: Option<(SystemTime, Duration)>,
    /// How long the component computed: [`ran`](Self::ran) without the time in store calls, and without
    /// that in which it waited for a processor.
    pub computed: Duration,
}

/// The answer to one HTTP request.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers to send, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: ReplyBody,
    /// What to record of it.
    pub event: Event,
    /// What the policies said of the change, in order; of one judged several times, what they said last.
    pub reviews: Vec<Review>,
}

/// A reply's body.
#[derive(Clone, PartialEq, Eq)]
pub enum ReplyBody {
    /// None.
    None,
    /// Made by the component.
    Bytes(Bytes),
    /// A state that lies in the store, passed on as it is.
    State(Bytes),
}

impl std::fmt::Debug for ReplyBody {
    /// Sizes only: a state may not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::State(bytes) => write!(f, "State({})", bytes.len()),
        }
    }
}

/// Why a call gave no reply. The texts are for the log, never for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// All instances are busy: nothing was begun.
    #[error("all instances are busy")]
    Busy,
    /// The component trapped: a panic, a stack overflow, an illegal instruction.
    #[error("the component trapped: {0}")]
    Trapped(String),
    /// The component wanted more memory than it may have.
    #[error("the component ran out of memory: {0}")]
    OutOfMemory(String),
    /// The component computed longer than it may.
    #[error("the component used up its computing time: {0}")]
    Endless(String),
    /// The call did not end before the hard deadline.
    #[error("the call did not end within its deadline")]
    Deadline,
}

//! All that is known of a request once it has ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tofu_state_component::policies::Review;
use tofu_state_component::{CallerKind, Event, Operation, Right, Times, TraceContext};

use super::store_calls::StoreCall;
use super::traces::Begun;

/// The status under which requests are recorded whose caller went away before the answer (as nginx
/// does); it is never sent.
pub const GONE: u16 = 499;

/// A request that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its ID, as the caller sees it in the answer.
    pub request_id: String,
    /// The number of the generation that it began with, and ended on.
    pub generation: u64,
    /// The method as it was sent, bounded in length.
    pub method: String,
    /// The path as it was sent, still encoded, bounded in length. No query: lock IDs stand there.
    pub path: String,
    /// Where the connection came from: a proxy, if there is one.
    pub peer: Option<SocketAddr>,
    /// `X-Forwarded-For` as it was sent, bounded in length: a claim.
    pub forwarded_for: Option<String>,
    /// `Host` as it was sent, bounded in length: a claim.
    pub host: Option<String>,
    /// `User-Agent` as it was sent, bounded in length: a claim.
    pub user_agent: Option<String>,
    /// The route that it takes, such as `/-/lock/{path}`; none: it was not let in.
    pub route: Option<String>,
    /// Who sent it; none: it was not let in.
    pub caller: Option<Known>,
    /// The right that its route needs; none: it was not let in.
    pub right: Option<Right>,
    /// When its head had been read.
    pub received: SystemTime,
    /// From then to its answer.
    pub duration: Duration,
    /// The HTTP status; [`GONE`] where the caller went away before there was one.
    pub status: u16,
    /// What the component tells of it; none: it did not answer.
    pub event: Option<Event>,
    /// The provider's package that it was to upload to the mirror.
    pub upload: Option<Upload>,
    /// What the policies said of its change, in order.
    pub reviews: Vec<Review>,
    /// The stable word of a refusal of the host's own; none: the component's answer was sent.
    pub refusal: Option<&'static str>,
    /// Its own trace: the caller's, or one that was begun for it.
    pub trace: Option<TraceContext>,
    /// The same for its spans; none: nothing is traced.
    pub begun: Option<Begun>,
    /// How long the parts of the component's call took; none: there was none.
    pub call: Option<Times>,
    /// The store calls that were made for it, in the order in which they ended.
    pub store_calls: Vec<StoreCall>,
}

/// A package that was to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The provider's address.
    pub provider: String,
    /// Its version.
    pub version: String,
    /// For which platform, `OS_ARCH`.
    pub platform: String,
    /// The SHA-256 of what came, in hex; none: it did not come whole.
    pub sha256: Option<String>,
    /// It is there now and was not before.
    pub is_new: bool,
}

/// A caller who has shown who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The token's name.
    pub name: Arc<str>,
    /// How it has shown who it is.
    pub kind: CallerKind,
}

impl Known {
    /// The kind as it is written.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.kind {
            CallerKind::SharedToken => "shared-token",
            CallerKind::NamedToken => "named-token",
        }
    }
}

impl Finished {
    /// What it tried to do, a word from a fixed set; `none` where the component did not answer.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self.event.as_ref().map(|event| event.operation) {
            Some(Operation::Get) => "get",
            Some(Operation::Write) => "write",
            Some(Operation::Delete) => "delete",
            Some(Operation::Lock) => "lock",
            Some(Operation::Unlock) => "unlock",
            Some(Operation::ForceUnlock) => "force-unlock",
            Some(Operation::List) => "list",
            Some(Operation::Outputs) => "outputs",
            Some(Operation::Difference) => "difference",
            Some(Operation::Accept) => "accept",
            Some(Operation::Discard) => "discard",
            Some(Operation::None) => "none",
            None if self.upload.is_some() => "upload",
            None => "none",
        }
    }

    /// How it ended, in one stable word.
    #[must_use]
    pub fn outcome(&self) -> &str {
        match (self.refusal, &self.event) {
            (Some(code), _) => code,
            (None, Some(event)) => &event.outcome,
            (None, None) => match &self.upload {
                Some(Upload { is_new: true, .. }) => "done",
                Some(_) => "unchanged",
                None => "none",
            },
        }
    }

    /// The state's path as the protocol reads it, where it is one.
    #[must_use]
    pub fn state_path(&self) -> Option<&str> {
        self.event.as_ref().map(|event| event.path.as_str()).filter(|path| !path.is_empty())
    }

    /// The policy that denied its change.
    #[must_use]
    pub fn denied_by(&self) -> Option<&str> {
        self.event.as_ref().and_then(|event| event.denied_by.as_deref())
    }

    /// The key under which a refused state is kept aside.
    #[must_use]
    pub fn quarantined(&self) -> Option<&str> {
        self.event.as_ref().and_then(|event| event.quarantined.as_deref())
    }

    /// It was refused by a policy, and what it sent was kept aside; not one that accepts or discards what was.
    #[must_use]
    pub fn keeps_aside(&self) -> bool {
        self.event.as_ref().is_some_and(|event| {
            event.quarantined.is_some() && !matches!(event.operation, Operation::Accept | Operation::Discard)
        })
    }

    /// It broke a lock.
    #[must_use]
    pub fn forced(&self) -> bool {
        self.event.as_ref().is_some_and(|event| event.forced)
    }

    /// It changed a state that nobody had locked.
    #[must_use]
    pub fn unlocked(&self) -> bool {
        self.event.as_ref().is_some_and(|event| event.unlocked)
    }

    /// How many compare-and-sets it lost.
    #[must_use]
    pub fn conflicts(&self) -> u32 {
        self.event.as_ref().map_or(0, |event| event.conflicts)
    }

    /// The lock's ID that it named or met.
    #[must_use]
    pub fn lock_id(&self) -> Option<&str> {
        self.event.as_ref().and_then(|event| event.lock_id.as_deref())
    }

    /// The trace that it belongs to, 32 hexadecimal digits: the run's, or else its own.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        let run = self.event.as_ref().and_then(|event| event.run_trace.as_ref());
        // version, trace, parent, flags: https://www.w3.org/TR/trace-context/#traceparent-header
        run.or(self.trace.as_ref()).and_then(|trace| trace.traceparent.split('-').nth(1)).filter(|id| id.len() == 32)
    }
}

//! All statuses of the protocol: what a request is answered, in one place.

use serde::Serialize;

use crate::document::Held;
use crate::exchange::{Body, Reply};
use crate::lock_info::Text;
use crate::outside::StoreError;
use crate::policies::Denial;
use crate::time::rfc3339;

/// Methods that a state has, for `Allow` (RFC 9110, section 10.2.1).
pub const STATE_METHODS: &str = "GET, POST, PUT, DELETE, LOCK, UNLOCK";
/// Methods that the lock face has.
pub const LOCK_METHODS: &str = "POST, PUT, DELETE";

/// Seconds after which a client may try again. A raft election takes 10 to 15, and the CLIs try three
/// times: so a GET in the middle of an apply outlives one.
const RETRY_AFTER: &str = "10";

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The path names no state.
    InvalidPath(String),
    /// The body, a header or the query is not what it has to be.
    InvalidRequest(String),
    /// `Content-MD5` does not fit the body.
    DigestMismatch,
    /// Another method is needed.
    MethodNotAllowed(&'static str),
    /// There is no state.
    NoState,
    /// Somebody else holds the lock.
    Locked(Box<Held>),
    /// The request's lock ID is not, or no longer, the holder's, and nobody holds the lock.
    NotHolder(String),
    /// A late duplicate of a LOCK whose lock was released since.
    LockReleased(String),
    /// Another write came first.
    LostRace,
    /// A late copy of an older write under the same lock.
    OlderSerial {
        /// The serial that was sent.
        sent: u64,
        /// The serial that is stored.
        stored: u64,
    },
    /// The operator does not allow this forced unlock.
    ForceUnlockOff(&'static str),
    /// The caller may not break locks.
    MayNotBreakLocks,
    /// A policy denies the lock.
    LockDenied {
        /// Which, and why.
        denial: Box<Denial>,
        /// What the lock was asked for, as the client said.
        operation: String,
        /// The state's path.
        path: String,
        /// When the request arrived: milliseconds since 1970-01-01T00:00:00Z.
        received: u64,
    },
    /// A policy denies a write, a deletion or a forced unlock.
    Denied {
        /// Which, and why.
        denial: Box<Denial>,
        /// What became of the state that was sent.
        kept: Kept,
    },
    /// A policy denies a write, and the state that was sent could not be kept aside.
    NotKept {
        /// Which policy, and why.
        denial: Box<Denial>,
        /// What kept it from being kept.
        why: Box<Refusal>,
    },
    /// The state's newest revision was deleted in the store itself.
    RemovedInStore {
        /// Where it lay.
        key: String,
        /// Which revision it was.
        revision: u64,
    },
    /// A document in the store is not of this release's making.
    ForeignDocument {
        /// Where it lies.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The state's bytes are not those that were written.
    Damaged {
        /// Where it lies.
        key: String,
    },
    /// A document changed again and again.
    Contended,
    /// The store failed.
    Store(StoreError),
}

/// What became of a state that was sent and refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// None was sent.
    Nothing,
    /// It lies under this key.
    At(String),
    /// The policy does not want it kept.
    Unwanted,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What an error's body says, see the README.
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorFields<'a>,
}

/// What the body of an error says under `error`.
#[derive(Default, Serialize)]
pub(crate) struct ErrorFields<'a> {
    pub(crate) code: &'static str,
    pub(crate) message: &'a str,
    pub(crate) request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'a str>,
    /// The key under which a refused state is kept aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quarantined: Option<&'a str>,
}

/// An answer without a body.
#[must_use]
pub fn empty<B>(status: u16) -> Reply<B> {
    Reply { status, headers: Vec::new(), body: Body::None }
}

/// An answer with a LockInfo as the client sent it.
#[must_use]
pub fn lock_info<B>(status: u16, info: &str) -> Reply<B> {
    Reply { status, headers: vec![json_type()], body: Body::Bytes(info.as_bytes().to_vec()) }
}

/// An answer with a state.
#[must_use]
pub fn state<B>(state: B, content_md5: String) -> Reply<B> {
    Reply { status: 200, headers: vec![json_type(), ("content-md5", content_md5)], body: Body::Blob(state) }
}

/// An answer with what an error says.
pub(crate) fn told<B>(status: u16, error: &impl Serialize) -> Reply<B> {
    Reply { status, headers: vec![json_type()], body: Body::Bytes(serde_json::to_vec(error).unwrap_or_default()) }
}

fn json_type() -> (&'static str, String) {
    ("content-type", "application/json".to_owned())
}

impl Refusal {
    /// How the event names it.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::InvalidPath(_) | Self::InvalidRequest(_) | Self::DigestMismatch | Self::MethodNotAllowed(_) => {
                "invalid"
            }
            Self::NoState => "no-state",
            Self::Locked(_) => "locked",
            Self::LostRace | Self::OlderSerial { .. } => "lost-race",
            Self::NotHolder(_) | Self::LockReleased(_) | Self::ForceUnlockOff(_) | Self::MayNotBreakLocks => "refused",
            Self::RemovedInStore { .. }
            | Self::ForeignDocument { .. }
            | Self::Damaged { .. }
            | Self::NotKept { .. }
            | Self::Contended
            | Self::Store(_) => "failed",
            Self::LockDenied { .. } | Self::Denied { .. } => "denied",
        }
    }

    /// The answer to the caller.
    #[must_use]
    pub fn reply<B>(self, request_id: &str) -> Reply<B> {
        // The two refusals that are not told by our own error document: the CLIs read the holder from them.
        if let Self::Locked(held) = self {
            return lock_info(409, &held.info);
        }
        if let Self::LockDenied { denial, operation, path, received } = &self {
            return lock_info(423, &lock_denied(denial, operation, path, *received));
        }
        let (status, code, message) = self.told();
        let (denial, quarantined) = match &self {
            Self::Denied { denial, kept: Kept::At(key) } => (Some(denial), Some(key.as_str())),
            Self::Denied { denial, .. } | Self::NotKept { denial, .. } => (Some(denial), None),
            _ => (None, None),
        };
        let policy = denial.map(|denial| denial.policy.as_str());
        let reason = denial.map(|denial| denial.reason.as_str());
        let error = ErrorFields { code, message: &message, request_id, policy, reason, quarantined };
        let mut reply = told(status, &ErrorBody { error });
        if status == 503 {
            reply.headers.push(("retry-after", RETRY_AFTER.to_owned()));
        }
        if let Self::MethodNotAllowed(allowed) = self {
            reply.headers.push(("allow", allowed.to_owned()));
        }
        reply
    }

    /// Status, stable code, and a sentence for a person.
    pub(crate) fn told(&self) -> (u16, &'static str, String) {
        match self {
            Self::InvalidPath(why) => (400, "invalid-path", format!("{why}.")),
            Self::InvalidRequest(why) => (400, "invalid-request", format!("{why}.")),
            Self::DigestMismatch => {
                (400, "digest-mismatch", "Content-MD5 does not fit the body; nothing was written.".into())
            }
            Self::MethodNotAllowed(allowed) => (405, "method-not-allowed", format!("This path takes {allowed}.")),
            Self::NoState => (404, "no-state", "There is no state here.".into()),
            Self::Locked(_) => (409, "locked", "The state is locked.".into()),
            Self::LockDenied { denial, .. } => {
                (423, "denied", format!("Policy {} denies this lock: {}.", denial.policy, denial.reason))
            }
            Self::Denied { denial, kept } => (422, "denied", denied_told(denial, kept)),
            Self::NotKept { denial, why } => {
                let (status, _, failure) = why.told();
                // Whatever it is, it is not the caller's fault: what 413 means to a client is not meant here.
                let status = if status == 503 { 503 } else { 502 };
                let told = format!(
                    "Policy {} denies this change: {}. The state that was sent could NOT be kept aside, and is nowhere \
                     but with its sender: keep it (errored.tfstate), and send it again. {failure}",
                    denial.policy, denial.reason
                );
                (status, "not-quarantined", told)
            }
            Self::NotHolder(id) => (
                409,
                "lock-not-held",
                format!(
                    "Lock {id} is not held any more: it was released or broken. Read the state again before you write."
                ),
            ),
            Self::LockReleased(id) => {
                (409, "lock-released", format!("Lock {id} was released already; a new lock needs a new ID."))
            }
            Self::LostRace => (409, "lost-race", "Another write came first. Read the state again.".into()),
            Self::OlderSerial { sent, stored } => (
                409,
                "older-serial",
                format!(
                    "Serial {sent} comes after serial {stored} was written under the same lock; nothing was changed."
                ),
            ),
            Self::ForceUnlockOff(why) => (422, "force-unlock-off", (*why).to_owned()),
            Self::MayNotBreakLocks => {
                (403, "missing-right", "This token may not break locks: it lacks the right `unlock` here.".into())
            }
            Self::RemovedInStore { key, revision } => (
                502,
                "removed-in-store",
                format!(
                    "Revision {revision} of {key}, the newest, was deleted in the store itself, so nobody knows whether there is a state. \
                     Undelete it there, or DELETE it here to say that there is none."
                ),
            ),
            Self::ForeignDocument { key, why } => (
                502,
                "foreign-document",
                format!("The document {key} is not one of ours: {why}. It was left as it is."),
            ),
            Self::Damaged { key } => (
                502,
                "damaged",
                format!(
                    "The bytes stored under {key} are not those that were written: somebody changed them in the store. An older revision may be whole."
                ),
            ),
            Self::Contended => (503, "contended", "The document changed too often meanwhile; try again.".into()),
            Self::Store(error) => store_told(error),
        }
    }
}

fn denied_told(denial: &Denial, kept: &Kept) -> String {
    let Denial { policy, reason, .. } = denial;
    let kept = match kept {
        Kept::Nothing => "Nothing was changed.".to_owned(),
        Kept::At(key) => {
            format!(
                "Nothing was written over; the state that was sent is kept under {key}, for a person to accept or discard."
            )
        }
        Kept::Unwanted => {
            "Nothing was written; the state that was sent was not kept, as the policy wants it.".to_owned()
        }
    };
    format!("Policy {policy} denies this change: {reason}. {kept}")
}

/// A LockInfo as if the policy held the lock, so that `-lock-timeout` waits. OpenTofu prints all its fields,
/// Terraform only the ID: so the reason stands there too.
fn lock_denied(denial: &Denial, operation: &str, path: &str, received: u64) -> String {
    let Denial { policy, reason, .. } = denial;
    let info = Text {
        id: &format!("policy/{policy}: {reason}"),
        operation,
        info: reason,
        who: &format!("policy {policy}"),
        version: "",
        created: &rfc3339(received),
        path,
    };
    serde_json::to_string(&info).unwrap_or_default()
}

fn store_told(error: &StoreError) -> (u16, &'static str, String) {
    match error {
        StoreError::Unavailable(why) => (503, "store-unavailable", format!("The store is unavailable: {why}.")),
        StoreError::Sealed => (503, "store-sealed", "OpenBao is sealed: unseal it.".into()),
        // Not 504: the CLIs honour Retry-After on 503 only, and a store that does not answer is one that is away.
        StoreError::Timeout => (503, "store-timeout", "The store did not answer in time.".into()),
        StoreError::OutOfSpace(why) => (503, "store-full", format!("The store has no space left: {why}.")),
        StoreError::Denied(why) => {
            (502, "store-denied", format!("The store refused this server's own credentials: {why}."))
        }
        StoreError::TooLarge(why) => {
            (413, "too-large", format!("The store does not take a document this large: {why}."))
        }
        StoreError::Corrupt(why) => (502, "store-corrupt", format!("The store's answer makes no sense: {why}.")),
    }
}

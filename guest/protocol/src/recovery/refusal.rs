//! Why a request of this API is not done. What the protocol's rules refuse is told as they tell it, but for a held
//! lock and a denied one: those bodies are for the CLIs.

use serde::Serialize;

use super::views::LockView;
use crate::archive::Trouble;
use crate::exchange::{Reply, Request};
use crate::outside::{Revision, StoreError};
use crate::reply::{self, ErrorFields, Refusal};

/// Why.
#[derive(Debug)]
pub(super) enum Refused {
    /// The protocol's rules say so.
    ByRules(Refusal),
    /// This revision is not kept, or never was.
    NoVersion(Revision),
    /// In this revision there is no state.
    NotAState(Revision),
    /// Somebody deleted this revision in the store itself.
    Removed(Revision),
    /// No such state is in quarantine.
    NotQuarantined,
    /// The state's client has encrypted it.
    Encrypted(Revision),
    /// It cannot be inspected.
    Unreadable(String),
    /// Other states are being inspected.
    Busy,
    /// The caller may not overrule policies.
    MayNotOverrule,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::ByRules(refusal)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::ByRules(error.into())
    }
}

impl Refused {
    /// What keeps the state under `key` from being inspected.
    pub(super) fn inspecting(key: &str, trouble: Trouble) -> Self {
        match trouble {
            Trouble::Store(error) => error.into(),
            Trouble::Gone(revision) => Self::NoVersion(revision),
            Trouble::Damaged(_) => Refusal::Damaged { key: key.to_owned() }.into(),
            Trouble::Unreadable(why) => Self::Unreadable(why),
            Trouble::Busy => Self::Busy,
        }
    }

    /// How the event names it.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::ByRules(refusal) => refusal.outcome(),
            Self::NoVersion(_) | Self::NotAState(_) | Self::Removed(_) | Self::NotQuarantined => "no-state",
            Self::Encrypted(_) | Self::Unreadable(_) | Self::MayNotOverrule => "refused",
            Self::Busy => "failed",
        }
    }

    /// The answer to the caller.
    pub(super) fn reply<B>(self, request: &Request<B>) -> Reply<B> {
        let (status, code, message) = self.told();
        let (lock, denial) = match self {
            Self::ByRules(Refusal::Locked(held)) => (Some(LockView::of(&held, request.received)), None),
            Self::ByRules(Refusal::LockDenied { denial, .. }) => (None, Some(denial)),
            Self::ByRules(refusal) => return refusal.reply(&request.request_id),
            _ => (None, None),
        };
        let policy = denial.as_ref().map(|denial| denial.policy.as_str());
        let reason = denial.as_ref().map(|denial| denial.reason.as_str());
        let request_id = &request.request_id;
        let error = ErrorFields { code, message: &message, request_id, policy, reason, ..ErrorFields::default() };
        let mut reply = reply::told(status, &Told { error, lock });
        if status == 503 {
            reply.headers.push(("retry-after", "1".to_owned()));
        }
        reply
    }

    fn told(&self) -> (u16, &'static str, String) {
        match self {
            Self::ByRules(refusal) => refusal.told(),
            Self::NoVersion(revision) => (
                404,
                "no-version",
                format!("Revision {revision} is not kept, or never was: `versions` lists those that are."),
            ),
            Self::NotAState(revision) => (404, "no-state", format!("In revision {revision} there is no state.")),
            Self::Removed(revision) => (
                404,
                "removed-in-store",
                format!(
                    "Revision {revision} was deleted in the store itself. It may be undeleted there (`bao kv undelete`)."
                ),
            ),
            Self::NotQuarantined => (404, "not-quarantined", "No such refused state is kept here.".to_owned()),
            Self::Encrypted(revision) => (
                422,
                "encrypted",
                format!(
                    "The state in revision {revision} is encrypted by its client: only whoever has its key can look into it. Its bytes can be had (`content`)."
                ),
            ),
            Self::Unreadable(why) => (422, "unreadable", format!("The state cannot be looked into: {why}.")),
            Self::Busy => (503, "busy", "Other states are being looked into. Try again.".to_owned()),
            Self::MayNotOverrule => (
                403,
                "missing-right",
                "This token may not overrule policies: it lacks the right `unlock` here.".to_owned(),
            ),
        }
    }
}

#[derive(Serialize)]
struct Told<'a> {
    error: ErrorFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<LockView>,
}

//! What policies are asked, and what they answer, in the logic's own terms. `wit/policies.wit` and
//! `wit/deps/policy` document the same records; the glue in `component.rs` translates.

use crate::exchange::Caller;
use crate::lock_info::LockInfo;

/// What is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The lock is about to be taken.
    Lock,
    /// A state is about to be written.
    Write,
    /// Somebody's lock is about to be broken.
    ForceUnlock,
    /// The state is about to be deleted.
    Delete,
}

/// What the policies need to judge an operation on a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Somebody judges it.
    pub review: bool,
    /// The current state's header also where it would not be read.
    pub current: bool,
    /// The current state's content.
    pub content: bool,
}

/// A state's header, as policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateHeader {
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
    /// Neither resources nor outputs.
    pub empty: bool,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

/// A change that is about to be made.
#[derive(Clone, Debug)]
pub struct Change {
    /// What is about to happen.
    pub operation: Operation,
    /// The state's path.
    pub path: String,
    /// Who asks.
    pub caller: Caller,
    /// The lock that is asked for, held by the writer, or about to be broken.
    pub lock: Option<LockInfo>,
    /// The state as it is.
    pub current: Option<StateHeader>,
    /// The state as it is to be.
    pub proposed: Option<StateHeader>,
    /// `?overwrite=<serial>` of the request.
    pub overwrite: Option<u64>,
    /// When the request arrived: milliseconds since 1970-01-01T00:00:00Z.
    pub received: u64,
}

/// Why a change may not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The policy's name.
    pub policy: String,
    /// For the person at the CLI.
    pub reason: String,
    /// Whether a refused state may be kept aside.
    pub keep: bool,
}

/// The policies that the operator configured, for states whose content is a `B`.
pub trait Policies<B> {
    /// What it takes to judge.
    fn needed(&self, operation: Operation, path: &str) -> Needs;

    /// Judges a change; none: it may be made. The contents are the current state's and the proposed one's.
    fn review(&self, change: &Change, current: Option<&B>, proposed: Option<&B>) -> Option<Denial>;
}

/// No policies at all.
#[derive(Clone, Copy, Debug)]
pub struct NoPolicies;

impl<B> Policies<B> for NoPolicies {
    fn needed(&self, _: Operation, _: &str) -> Needs {
        Needs::default()
    }

    fn review(&self, _: &Change, _: Option<&B>, _: Option<&B>) -> Option<Denial> {
        None
    }
}

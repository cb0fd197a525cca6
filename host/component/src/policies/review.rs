//! What is recorded of a policy's review.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Mode;

/// A verdict in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The change may be made.
    Allow,
    /// It may be made, but a person should know why it should not have been.
    Warn,
    /// It may not be made.
    Deny,
    /// The policy gave no verdict: it failed.
    Error,
}

impl Word {
    /// As it stands in logs, metrics and traces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }
}

/// One policy's review of a change.
#[derive(Clone, Debug)]
pub struct Review {
    /// The policy's name in the policy file.
    pub name: Arc<str>,
    /// SHA-256 of its module, in hex.
    pub digest: Arc<str>,
    /// What its verdict does.
    pub mode: Mode,
    /// What it said.
    pub verdict: Word,
    /// Names and values that it gave with an `allow`: at most 16, of 64 and 256 bytes. None of a policy that reads
    /// states: they are for records, and no state may stand there.
    pub labels: Vec<(String, String)>,
    /// Why it warned or denied; at most 1,024 bytes.
    pub reason: Option<String>,
    /// Why it gave no verdict. For the log: no caller gets to read it.
    pub error: Option<String>,
    /// The change was refused because of it.
    pub refused: bool,
    /// When it began.
    pub began: SystemTime,
    /// How long it took, waiting included.
    pub duration: Duration,
}

impl Review {
    /// [`duration`](Self::duration) in microseconds.
    #[must_use]
    pub fn microseconds(&self) -> u64 {
        u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX)
    }
}

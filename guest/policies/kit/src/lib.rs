//! What a policy module in Rust needs beside its rule.
//!
//! A module is a type with a [`Policy`]: how its configuration is read, how it judges a change, and examples of
//! both. [`export_policy!`] makes a component of it. Everything but that glue is plain Rust and is tested natively.
//!
//! ```
//! use tofu_state_policy_kit::{Change, Configured, Example, Policy, Verdict, allow, deny, export_policy};
//!
//! struct NobodyNamedRoot;
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Configuration {}
//!
//! impl Policy for NobodyNamedRoot {
//!     type Configuration = Configuration;
//!
//!     fn review(change: &Change, _: Configured<'_, Configuration>) -> Verdict {
//!         match &change.lock {
//!             Some(lock) if lock.who.starts_with("root@") => deny("log in as yourself, not as root"),
//!             _ => allow(),
//!         }
//!     }
//!
//!     fn examples() -> Vec<Example> {
//!         Vec::new()
//!     }
//! }
//!
//! export_policy!(NobodyNamedRoot);
//! ```

#[doc(hidden)]
pub mod bindings;
mod configuration;
pub mod examples;
mod glue;

#[doc(hidden)]
pub use __export_policy_module_impl as export_bindings;
pub use bindings::exports::tofu_state::policy::{module, policy};
pub use bindings::tofu_state::policy::types::{
    Caller, Change, Context, Denial, Example, Expectation, Label, LockInfo, Needs, Operation, ResourceChanges,
    StateHeader, Timestamp, TypeChanges, Verdict,
};
pub use glue::{Exported, check, review};

use serde::de::DeserializeOwned;

/// A rule about changes.
pub trait Policy {
    /// What its entry in the policy file configures, read from TOML. Write `deny_unknown_fields`, or a misspelt name
    /// is taken for a setting that is not there.
    type Configuration: DeserializeOwned;

    /// What its entry has to grant.
    const NEEDS: Needs = Needs::empty();

    /// Judges one change.
    fn review(change: &Change, given: Configured<'_, Self::Configuration>) -> Verdict;

    /// Changes with the verdict that is expected of them. The host tries them before it uses the module.
    fn examples() -> Vec<Example>;
}

/// What the host adds to a change, the configuration read.
#[derive(Debug)]
pub struct Configured<'a, C> {
    /// The entry's configuration.
    pub configuration: &'a C,
    /// What a write does to the resources, if the entry grants it and they could be counted.
    pub resources: Option<&'a ResourceChanges>,
}

/// The change may be made.
#[must_use]
pub fn allow() -> Verdict {
    Verdict::Allow(Vec::new())
}

/// It may be made, but a person should know `why` it should not have been.
pub fn warn(why: impl Into<String>) -> Verdict {
    Verdict::Warn(why.into())
}

/// It may not be made. A state that is refused is kept aside.
pub fn deny(why: impl Into<String>) -> Verdict {
    Verdict::Deny(Denial { reason: why.into(), keep: true })
}

/// `LockInfo.Operation` of a plan (OpenTofu and Terraform, `internal/backend/operation_type.go`).
pub const PLAN: &str = "OperationTypePlan";
/// `LockInfo.Operation` of an apply and of a destroy.
pub const APPLY: &str = "OperationTypeApply";

//! Policies: modules that judge changes, and the chain of them that an operator configured.
//!
//! A module is a component of the package `tofu-state:policy` (`wit/deps/policy`). It reaches nothing, and
//! each of its answers comes from an instance of its own with limits of its own: whatever it does ends its own
//! review and nothing else. What a failed review means, its entry says.

mod bindings;
mod built_in;
mod chain;
mod entry;
mod imported;
mod load;
mod module;
mod prove;
mod resources;
mod review;
mod states;
mod text;

/// What a policy is asked and what it answers, as `wit/deps/policy/types.wit` documents it.
pub use crate::bindings::tofu_state::policy::types as contract;
pub use built_in::{LINEAGE_GUARD, built_in, judged_by};
pub use chain::{Chain, ChainError, Judgement, Needed, Refusal};
pub use entry::{Entry, Limits, Mode, Needs, OnError, Operations, PathFilter, Uncounted};
pub use load::LoadError;
pub use module::{PolicyModule, World};
pub use prove::Unproven;
pub use resources::count as count_resources;
pub use review::{Review, Word};

pub(crate) use module::linker;

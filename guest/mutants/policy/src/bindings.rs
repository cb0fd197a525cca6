//! The contract, as generated.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::restriction, reason = "generated")]

#[cfg(not(feature = "reads-states"))]
wit_bindgen::generate!({ path: "../../../wit/deps/policy", world: "policy-module" });
#[cfg(feature = "reads-states")]
wit_bindgen::generate!({ path: "../../../wit/deps/policy", world: "state-policy-module" });

use super::module::Faulty;
export!(Faulty with_types_in self);

pub(crate) use exports::tofu_state::policy::module::Guest as Module;
#[cfg(not(feature = "reads-states"))]
pub(crate) use exports::tofu_state::policy::policy::Guest as Policy;
#[cfg(feature = "reads-states")]
pub(crate) use exports::tofu_state::policy::state_policy::Guest as Policy;
#[cfg(feature = "reads-states")]
pub(crate) use tofu_state::policy::states::State;
pub(crate) use tofu_state::policy::types;

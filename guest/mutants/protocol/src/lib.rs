//! Deliberately broken variants of the protocol, which exploration must find out.
//!
//! A mutant is the real protocol behind imports that lie to it in one respect: its own sources stay as they are.
//! What a lie says is chosen so that the protocol does what it would do without one of its rules. All mutants are one
//! component; which of them it is stands in its bytes ([`component`]), or in a request's header ([`HEADER`]).
//!
//! Natively this crate is the list of them.

mod choice;
mod list;

pub use choice::component;
pub use list::Mutant;

/// The request's header that may name the mutant.
pub const HEADER: &str = "x-mutant";

#[cfg(target_arch = "wasm32")]
mod answers;
#[cfg(target_arch = "wasm32")]
mod bindings;
#[cfg(target_arch = "wasm32")]
#[path = "../../../protocol/src/component.rs"]
mod component;
#[cfg(target_arch = "wasm32")]
mod fences;
#[cfg(target_arch = "wasm32")]
mod locks;
#[cfg(target_arch = "wasm32")]
mod mutated;
#[cfg(target_arch = "wasm32")]
mod writes;

// What the protocol's own glue expects of the crate that it is in.
#[cfg(target_arch = "wasm32")]
use mutated::handle;
#[cfg(target_arch = "wasm32")]
use tofu_state_protocol::{ROUTES, Route, archive, exchange, held, lock_info, outside, policies, recovery};

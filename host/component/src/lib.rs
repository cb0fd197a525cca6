//! Runs the protocol component: an engine, a fresh instance for every request, limits, loading.
//!
//! It knows no sockets and no protocol. A component gets the imports of its world and an empty WASI;
//! whatever it does (trap, loop, eat memory) ends its own request and nothing else. A call that has
//! begun is finished even when the caller goes away, and the drain waits for it.

mod bindings;
mod call;
mod compile;
mod content;
mod convert;
mod engine;
pub mod exchange;
mod fault;
mod form;
mod guest;
mod history_calls;
mod imports;
mod inspection;
mod limits;
mod load;
mod locks;
mod messages;
mod meter;
mod native;
pub mod pinned;
pub mod policies;
mod routes;
mod settings;
mod store_calls;
#[cfg(feature = "testing")]
pub mod testing;
mod ticker;
mod wasi;

pub use bindings::exports::tofu_state::backend::handler::{
    BodySize, Event, ForceUnlock, Operation, Right, Route, Settings,
};
pub use bindings::exports::tofu_state::backend::locks::HeldLock;
pub use bindings::tofu_state::backend::types::{Caller, CallerKind, Rights, StateHeader, TraceContext};
pub use engine::{Engine, EngineError};
pub use exchange::{Failure, Granted, Reply, ReplyBody, Request, Surroundings, Times};
pub use form::{FormError, MAX_BYTES};
pub use limits::{Allocation, Limits, Metering};
pub use load::{LoadError, Protocol, digest};
pub use locks::Unknown;

/// The protocol component that is built with this crate, see `build.rs`.
pub static BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/protocol.wasm"));

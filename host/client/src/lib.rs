//! A client of state servers: the `http` backend's protocol as the CLIs speak it, and what people do with it by hand.
//!
//! It knows neither a store nor WebAssembly. What it changes, it changes as the CLIs do: under a lock, by the
//! protocol, so that the server's rules, policies and records hold for it. Every command can be interrupted anywhere
//! and run again.

pub mod api;
pub mod ask;
pub mod error;
pub mod hold;
pub mod http;
pub mod interrupt;
mod keep;
pub mod lock_info;
pub mod protocol;
pub mod serial;
pub mod settings;
pub mod state;
pub mod table;
pub mod transfer;

pub use error::Error;

//! The server `tofu-state`: HTTP around a protocol component and a store.
//!
//! Nothing here knows the protocol: which method needs which right, how large a body may be and what
//! an answer means is the component's statement. The binary (`main.rs`) is the order of start-up and
//! drain; everything else is here, so that tests run it in their own process.

pub mod access;
pub mod admin;
pub mod cli;
pub mod config;
pub mod following;
pub mod generations;
pub mod listener;
pub mod mirror;
pub mod oci;
pub mod policies;
pub mod recordings;
pub mod signals;
pub mod stores;
pub mod telemetry;
pub mod tls;

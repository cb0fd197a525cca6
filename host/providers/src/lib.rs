//! Provider lock files at scale, and the provider mirror.
//!
//! [`lock`] brings the lock files of many root modules up to date: [`configuration`] finds them and what providers they
//! need, [`plan`] makes one list of it all, and [`lockfile`] reads and writes `.terraform.lock.hcl` byte for byte as the
//! command lines do. [`sources`] says where a provider is to be had; [`fetch`] downloads packages, [`hashing`] hashes them, and [`cache`] remembers it. Nothing here
//! knows WebAssembly.
#![allow(clippy::result_large_err, reason = "errors name the provider, version and platform, and are rare")]

pub mod address;
pub mod bundle;
pub mod cache;
pub mod cli_config;
pub mod configuration;
pub mod constraint;
pub mod fetch;
pub mod hash;
pub mod hashing;
pub mod http;
pub mod lock;
pub mod lockfile;
pub mod mirror;
pub mod oci;
mod openpgp;
pub mod plan;
pub mod platform;
pub mod problem;
mod program;
pub mod signature;
pub mod sources;
mod spans;
pub mod version;

pub use address::{Address, Style};
pub use constraint::Constraints;
pub use hash::Hash;
pub use lockfile::{Lock, LockFile};
pub use openpgp::{SignError, Signer};
pub use platform::Platform;
pub use problem::Problem;
pub use version::Version;

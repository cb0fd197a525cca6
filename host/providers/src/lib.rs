//! Provider lock files at scale, and the provider mirror.
//!
//! [`sources`] says where a provider is to be had; [`lockfile`] reads and writes `.terraform.lock.hcl` byte for byte as
//! the command lines do. Nothing here knows WebAssembly.

pub mod address;
pub mod configuration;
pub mod constraint;
pub mod hash;
pub mod lockfile;
pub mod platform;
pub mod problem;
pub mod sources;
pub mod version;

pub use address::{Address, Style};
pub use constraint::Constraints;
pub use hash::Hash;
pub use lockfile::{Lock, LockFile};
pub use platform::Platform;
pub use problem::Problem;
pub use version::Version;

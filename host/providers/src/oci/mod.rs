//! Registries of the OCI distribution specification: names, credentials, and a client for what lies in a repository.
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md>)
//!
//! The server, which pulls its components from such registries with a client of its own, shares [`name`], [`docker`] and
//! [`challenge`], which ask nobody.

pub mod challenge;
pub mod docker;
mod login;
pub mod name;
mod repository;

pub use login::Login;
pub use repository::{Blob, Repository};

//! The operator's policies: what `POLICY_FILE` says, and the chain that is made of it.

pub mod file;
pub mod make;

pub use file::{PolicyFile, Source, Wanted, is_guarded, parse};
pub use make::{Unmade, chain, default_text};

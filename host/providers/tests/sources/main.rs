//! Sources and downloads against a local origin, well-behaved and hostile; the real CLIs against the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are not recognised as tests by these lints"
)]

mod clis;
mod common;
mod fetching;
mod hostile;
mod mirrors;
mod registries;
#[path = "../shared/mod.rs"]
mod shared;

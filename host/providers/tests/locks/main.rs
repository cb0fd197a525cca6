//! `providers lock` against a local origin, and against what both real CLIs write.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are not recognised as tests by these lints"
)]

mod cases;
mod common;
mod compare;
mod credentials;
mod hostile;
mod initialised;
mod many;
mod mirrors;
mod site;
mod thrift;

//! The server over HTTP, in the test's own process or as the real binary: requests that are good, bad,
//! too large, too slow, or cut short. What states and locks do is the end-to-end tests' business.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is tests"
)]

mod access;
mod attack;
mod audit;
mod bodies;
mod faults;
mod heads;
mod http2;
mod lifecycle;
mod paths;
mod program;
mod recovery;
mod registries;
mod restoring;
mod storm;
mod support;
mod swapping;
mod tls;

//! For tests only: the suite that every driver passes, a wrapper that holds calls back or makes them
//! fail, a server that dies, a disk that runs full or breaks, and mutants of the layout.
//!
//! Everything here may panic: a panic with a clear text is how a test fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "every caller is a test; a panic fails it"
)]

pub mod disk;
pub mod dying;
pub mod held;
pub mod mutation;
pub mod suite;

//! The engine with real components: the one that misbehaves (`guest/mutants/faulty`), and the protocol.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic fails the test"
)]

mod blobs;
mod calls;
mod common;
mod faults;
mod loading;
mod on_demand;
mod outside;
mod policies;
mod protocol;
mod replies;
mod shipped;
mod store;

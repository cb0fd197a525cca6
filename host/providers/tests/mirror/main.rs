//! The mirror that fills itself, without its server; and the folder for places without a network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are not recognised as tests by these lints"
)]

mod bundle;
mod common;
mod damage;
mod evicting;
mod failing;
mod hostile;
mod pulling;
#[path = "../shared/mod.rs"]
mod shared;
mod uploads;

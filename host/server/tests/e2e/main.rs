//! End to end: the real `tofu-state` binary under the real `tofu`, `terraform` and `curl`, on the embedded store
//! and on a real OpenBao. What only the whole can show stands here: the CLIs' own behaviour, races through several
//! server processes, crashes, and clusters.
//!
//! Tests share nothing: each has its own servers, ports and folders. Nothing waits for a fixed time; runs are held
//! at a known point by a gate, see [`common::Gate`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is tests"
)]

mod access;
mod audit;
mod backups;
mod cluster;
mod common;
mod crash;
mod described;
mod first_run;
mod https;
mod large;
mod lifecycle;
mod linearizability;
mod locks;
mod migration;
mod mirror;
mod oci_mirror;
mod policies;
mod policy_command;
mod policy_records;
mod prometheus;
mod providers;
mod races;
mod recordings;
mod recovery;
mod restarts;
mod retention;
mod rights;
mod secrets;
mod shipped_policies;
mod states;
mod store_faults;
mod traces;
mod transfer;
mod typescript;
mod wire;

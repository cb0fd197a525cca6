//! Real peers for tests: OpenBao servers and clusters, the real `tofu` and `terraform`, a collector of
//! traces, and the `tofu-state` server as a process of its own.
//!
//! Only tests use this crate. It knows no protocol and no store: it starts programs, waits until they
//! are ready, kills them, and cleans up after them. A program that is missing is a failure with the
//! command that fetches it, never a test that silently passes.

pub mod bao;
pub mod certificates;
pub mod cli;
pub mod cluster;
pub mod example;
pub mod inits;
pub mod kubernetes;
pub mod minisign;
pub mod origin;
pub mod otlp;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod registry;
pub mod secrets;
pub mod server;
pub mod storage;

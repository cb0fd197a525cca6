//! Components for tests, see `guest/mutants/faulty`.

/// Misbehaves in the way that the first segment of a request's path names.
pub static FAULTY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/faulty.wasm"));

/// Imports files, sockets and clocks: it must be refused.
pub static REACHING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/reaching.wasm"));

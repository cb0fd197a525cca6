//! Components for tests, see `guest/mutants`.

/// Misbehaves in the way that the first segment of a request's path names.
pub static FAULTY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/faulty.wasm"));

/// Imports files, sockets and clocks: it must be refused.
pub static REACHING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/reaching.wasm"));

/// All deliberately broken protocols; `tofu_state_mutants::component` makes one of them.
pub static MUTANTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mutants.wasm"));

/// A policy that does what its configuration says.
pub static FAULTY_POLICY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/faulty-policy.wasm"));

/// The same, of the world that reads states.
pub static FAULTY_STATE_POLICY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/faulty-policy-reads-states.wasm"));

/// A policy that imports files, sockets and clocks: it must be refused.
pub static REACHING_POLICY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/faulty-policy-reaches-out.wasm"));

/// A policy whose own example fails: it must be refused.
pub static WRONG_POLICY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/faulty-policy-judges-wrongly.wasm"));

/// A policy with a memory of 4 GiB from the start: it must be refused.
pub static VAST_POLICY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/faulty-policy-vast.wasm"));

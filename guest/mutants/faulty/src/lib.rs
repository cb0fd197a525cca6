//! A protocol component that misbehaves on request: the first segment of a request's path says how.
//! It shows that the host keeps every fault inside the one request that met it.
//!
//! With the feature `reaches-out` it imports what no component gets, and must not even be loaded.

#[cfg(target_arch = "wasm32")]
mod bindings;
#[cfg(target_arch = "wasm32")]
mod calm;
#[cfg(target_arch = "wasm32")]
mod faults;
#[cfg(target_arch = "wasm32")]
mod handler;
#[cfg(all(target_arch = "wasm32", feature = "reaches-out"))]
mod reaching;

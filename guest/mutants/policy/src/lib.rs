//! A policy that does what its configuration says. It shows that the host keeps every fault inside the one
//! review that met it, and what a chain makes of each verdict.

#[cfg(target_arch = "wasm32")]
mod behaviour;
#[cfg(target_arch = "wasm32")]
mod bindings;
#[cfg(target_arch = "wasm32")]
mod module;
#[cfg(all(target_arch = "wasm32", feature = "reaches-out"))]
mod reaching;

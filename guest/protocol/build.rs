//! The component begins with memory for its stack and for all that most requests take: growing it would cost two
//! calls of the operating system for each instance. Memory that is not touched is not there.
#![allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

/// A multiple of 64 KiB.
const INITIAL_MEMORY_BYTES: usize = 2 << 20;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=--initial-memory={INITIAL_MEMORY_BYTES}");
    }
}

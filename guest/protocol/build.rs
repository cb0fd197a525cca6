//! The component begins with memory for its stack and for all that most requests take: growing it would cost two
//! calls of the operating system for each instance. Memory that is not touched is not there, but it is looked through
//! after each instance for pages that were: so it is no larger than that.
#![allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

/// A multiple of 64 KiB: the stack, constants, and a heap of about 600 KiB.
const INITIAL_MEMORY_BYTES: usize = 1 << 20;

/// The stack lies at the bottom of the memory, so that whatever overflows it traps. Nothing here recurses deeper than
/// `serde_json` allows.
const STACK_BYTES: usize = 256 << 10;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=--initial-memory={INITIAL_MEMORY_BYTES}");
        println!("cargo::rustc-link-arg-cdylib=-zstack-size={STACK_BYTES}");
    }
}

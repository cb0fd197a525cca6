//! The feature `vast`: a memory of 4 GiB from the start.
#![allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

fn main() {
    let wasm = std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32");
    if wasm && std::env::var_os("CARGO_FEATURE_VAST").is_some() {
        println!("cargo::rustc-link-arg-cdylib=--initial-memory=4294901760");
    }
}

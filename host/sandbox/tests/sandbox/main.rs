//! The sandbox with the very component that serves, and with the mutants. One program, because each links wasmtime.

mod counterexample;
mod explore;
mod layout_mutants;
mod mutants;
mod policies;
mod run;
mod scenarios;

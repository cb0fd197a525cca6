//! Provider lock files at scale, and the provider mirror.
//!
//! A wall of the house that a later issue fills. It will not know WebAssembly.

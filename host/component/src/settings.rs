//! What the compiler has to know of the engine that will run its code. `build.rs` reads this file too: the code
//! that it makes must fit the engine that the program makes.

use wasmtime::Config;

/// The linear memory of an instance where nobody says otherwise, in bytes.
pub(crate) const MEMORY_BYTES: usize = 64 << 20;

/// After each memory, so that most accesses need no check of their bounds.
const GUARD_BYTES: u64 = 64 << 10;

/// Settings for code whose memories reserve so many bytes of address space, and never move.
pub(crate) fn compiling(reservation: usize) -> Config {
    let mut config = Config::new();
    // The concurrency meant here is that of WASI 0.3, inside one instance.
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        // For debuggers and profilers. Backtraces find their frames and the functions' names without either.
        .native_unwind_info(false)
        .generate_address_map(false)
        .memory_guard_size(GUARD_BYTES)
        .memory_reservation(reservation as u64);
    config
}

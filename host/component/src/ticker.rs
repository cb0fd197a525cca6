//! The clock that interrupts components.

use std::io;
use std::thread;
use std::time::Duration;

/// How often a component's computing time is looked at.
const TICK: Duration = Duration::from_millis(10);

/// Ticks on a thread of its own, which components that use up all serving threads cannot hold up.
/// It ends with the engine.
pub(crate) fn start(engine: &wasmtime::Engine) -> io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new().name("epochs".to_owned()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    })?;
    Ok(())
}

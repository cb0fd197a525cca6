//! What went wrong in a call, told from wasmtime's error.
//!
//! The texts go to the log: they name the trap, where the component panicked, and the functions that
//! it was in. Nothing that the component wrote or read is in them.

use std::time::Duration;

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::Failure;
use crate::guest::Guest;

/// Functions named of a backtrace, innermost first.
const MAX_FRAMES: usize = 16;

/// The component has used up its computing time.
#[derive(Debug, thiserror::Error)]
#[error("computed for more than {} ms", .0.as_millis())]
pub(crate) struct OutOfTime(pub(crate) Duration);

/// The component holds more of something than it may.
#[derive(Debug, thiserror::Error)]
#[error("too many {0}")]
pub(crate) struct TooMuch(pub(crate) &'static str);

/// The component called the store or the policies while it was asked for its routes.
#[derive(Debug, thiserror::Error)]
#[error("there is neither store nor policies while a component is loaded")]
pub(crate) struct NothingReachable;

/// What `error` means for the call that it ended.
pub(crate) fn diagnose(error: &wasmtime::Error, guest: &Guest) -> Failure {
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::Busy;
    }
    let text = describe(error, guest);
    if error.is::<OutOfTime>() || matches!(error.downcast_ref(), Some(Trap::OutOfFuel)) {
        Failure::Endless(text)
    } else if guest.memory.refused {
        Failure::OutOfMemory(text)
    } else {
        Failure::Trapped(text)
    }
}

fn describe(error: &wasmtime::Error, guest: &Guest) -> String {
    let mut text = match (error.downcast_ref::<Trap>(), error.downcast_ref::<I32Exit>()) {
        (Some(trap), _) => trap.to_string(),
        (None, Some(I32Exit(status))) => format!("it exited with status {status}"),
        (None, None) => error.root_cause().to_string(),
    };
    if let Some(place) = guest.messages.panic_place() {
        text.push_str(", panicked at ");
        text.push_str(&place);
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        let named = |frame: &wasmtime::FrameInfo| match frame.func_name() {
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("<function {}>", frame.func_index()),
        };
        let frames: Vec<String> = backtrace.frames().iter().take(MAX_FRAMES).map(named).collect();
        text.push_str(", in ");
        text.push_str(&frames.join(" < "));
    }
    text
}

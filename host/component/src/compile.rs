//! Compiling: at full speed at first, in the background once there is something to disturb. What came with the
//! program was compiled when it was built.
//!
//! Cranelift uses as many threads as it gets. While a server serves, a large or hostile component must not
//! take the processors from its requests: so the threads that compile then get a smaller share.

use std::sync::atomic::Ordering;

use wasmtime::component::Component;

use crate::engine::{Engine, Shared};
use crate::native;

/// The niceness of threads that compile in the background: about a third of the share of others.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

impl Engine {
    /// From now on components are compiled in the background: more slowly, and less to the harm of calls.
    pub fn compile_in_background(&self) {
        self.shared.background.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    /// Compiles a component whose form has been checked, whose SHA-256 is `digest`, and that may have so many memories.
    /// Blocks until that is done, which nothing can cut short: [`MAX_BYTES`](crate::MAX_BYTES) bounds it.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) fn compile(&self, bytes: &[u8], digest: &str, most_memories: u32) -> Result<Component, String> {
        let component = match native::component(&self.wasmtime, digest) {
            Some(component) => component,
            None => self.compile_anew(bytes)?,
        };
        match memories(&component) {
            count if count > most_memories => {
                Err(format!("it has {count} memories, and an instance of it gets {most_memories}"))
            }
            _ => Ok(component),
        }
    }

    fn compile_anew(&self, bytes: &[u8]) -> Result<Component, String> {
        let background = self.background.load(Ordering::Relaxed);
        let threads = rayon::ThreadPoolBuilder::new()
            .thread_name(|number| format!("compile-{number}"))
            .start_handler(move |_| {
                if background {
                    give_way();
                }
            })
            .build()
            .map_err(|error| format!("there are no threads for it: {error}"))?;
        let compiled = threads.install(|| Component::from_binary(&self.wasmtime, bytes));
        compiled.map_err(|error| format!("{error:#}"))
    }
}

/// How many memories each instance of `component` has.
pub(crate) fn memories(component: &Component) -> u32 {
    // What cannot be told is told of components only that import modules, which the worlds do not have.
    component.resources_required().map_or(u32::MAX, |required| required.num_memories)
}

/// On Linux a thread has a niceness of its own; elsewhere it is the whole process's, and stays.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "compiling could not be given a lower priority");
    }
}

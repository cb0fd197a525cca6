//! Native code of the components that this program brings, compiled when it was built.
//!
//! Compiling takes a good part of a second, and would be done at every start. The code lies among the program's
//! own read-only data. Native code from anywhere else is refused, see [`form`](crate::form).

use wasmtime::component::Component;

/// SHA-256 of a component in hex, and its code. See `build.rs`.
static CODE: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/native_code.rs"));

/// The component with this SHA-256, if its code came with the program and fits the engine: it does not where
/// memories are larger than usual or allocated on demand, or the program was built for another processor.
#[allow(unsafe_code, reason = "wasmtime cannot tell code that it has made from any other")]
pub(crate) fn component(engine: &wasmtime::Engine, digest: &str) -> Option<Component> {
    let (_, code) = CODE.iter().find(|(known, _)| *known == digest)?;
    // SAFETY: wasmtime demands that these bytes are what its `precompile_component` returned, unchanged. They are:
    // `build.rs` wrote them, and the linker put them among the constants of this program. That the code was made by
    // this version of wasmtime, with these settings, for a processor like this one, wasmtime checks.
    match unsafe { Component::deserialize(engine, code) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::info!(error = %format!("{error:#}"), "a built-in component is compiled anew: its code does not fit");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policies::built_in;
    use crate::{Allocation, BUILT_IN, Engine, Limits, digest};

    fn is_found(engine: &Engine, component: &[u8]) -> bool {
        super::component(&engine.shared.wasmtime, &digest(component)).is_some()
    }

    #[test]
    fn what_comes_with_the_program_need_not_be_compiled() {
        let engine = Engine::new(Limits::default()).unwrap();
        assert!(is_found(&engine, BUILT_IN));
        for (name, module) in built_in() {
            assert!(is_found(&engine, module), "{name}");
        }
        assert!(!is_found(&engine, b"\0asm\x0d\0\x01\0"));
    }

    #[test]
    fn where_the_code_does_not_fit_the_component_is_compiled() {
        let larger = Limits { memory_bytes: 128 << 20, ..Limits::default() };
        let on_demand = Limits { allocation: Some(Allocation::OnDemand), ..Limits::default() };
        for limits in [larger, on_demand] {
            let engine = Engine::new(limits).unwrap();
            assert!(!is_found(&engine, BUILT_IN));
            assert_eq!(engine.load(BUILT_IN).unwrap().digest(), digest(BUILT_IN));
        }
    }
}

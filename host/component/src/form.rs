//! Telling a component from what is none, before anything else looks at it.

/// The largest component that is taken, in bytes.
pub const MAX_BYTES: usize = 32 << 20;

/// The first four bytes of anything WebAssembly, and what follows them in a component and in a core
/// module (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>).
const MAGIC: &[u8] = b"\0asm";
const COMPONENT_LAYER: [u8; 4] = [0x0d, 0x00, 0x01, 0x00];
const MODULE_LAYER: [u8; 4] = [0x01, 0x00, 0x00, 0x00];

/// Why bytes are no component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Too large to be one.
    #[error("larger than 32 MiB")]
    TooLarge,
    /// Native code, such as a precompiled component. It would run outside all limits.
    #[error("native code (a precompiled component, or a program): only a WebAssembly component is taken")]
    NativeCode,
    /// A core module, which has no typed interface.
    #[error(
        "a WebAssembly core module, not a component: build it for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// Something else.
    #[error("not a WebAssembly component")]
    NotWasm,
}

/// Checks that `bytes` begin as a component does.
pub(crate) fn check(bytes: &[u8]) -> Result<(), FormError> {
    if bytes.len() > MAX_BYTES {
        return Err(FormError::TooLarge);
    }
    if bytes.starts_with(b"\x7fELF") || wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return Err(FormError::NativeCode);
    }
    match bytes.strip_prefix(MAGIC) {
        Some(rest) if rest.starts_with(&COMPONENT_LAYER) => Ok(()),
        Some(rest) if rest.starts_with(&MODULE_LAYER) => Err(FormError::CoreModule),
        _ => Err(FormError::NotWasm),
    }
}

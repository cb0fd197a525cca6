//! What a component may import.

use wasmtime::component::Component;

/// Our own interfaces that a protocol may import. `types` and `blobs` come with those that use them.
const OURS: &[&str] = &["tofu-state:backend/types", "tofu-state:backend/blobs", "tofu-state:backend/store"];

/// WASI's, of any 0.2 version: what a standard library needs, and all of it is empty here.
const WASI: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure-seed",
];

/// The imports of `component` that no component gets, by name.
pub(crate) fn forbidden(component: &Component) -> Vec<String> {
    let engine = component.engine();
    let component_type = component.component_type();
    component_type.imports(engine).map(|(name, _)| name).filter(|name| !allowed(name)).map(str::to_owned).collect()
}

fn allowed(import: &str) -> bool {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    OURS.contains(&interface) || (WASI.contains(&interface) && version.starts_with("0.2."))
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn allows_the_world_and_an_empty_wasi_only() {
        for name in [
            "tofu-state:backend/store@0.1.0",
            "tofu-state:backend/types@0.1.0",
            "wasi:cli/environment@0.2.0",
            "wasi:io/streams@0.2.6",
            "wasi:random/insecure-seed@0.2.3",
        ] {
            assert!(allowed(name), "{name}");
        }
        for name in [
            "tofu-state:backend/policy@0.1.0",
            "wasi:filesystem/types@0.2.6",
            "wasi:clocks/monotonic-clock@0.2.6",
            "wasi:random/random@0.2.6",
            "wasi:cli/environment@0.3.0",
            "wasi:cli/environment",
            "wasi:cli/environmental@0.2.0",
            "anything",
            "",
        ] {
            assert!(!allowed(name), "{name}");
        }
    }
}

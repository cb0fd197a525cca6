//! What a component may import. Interfaces of types come with those that use them.

use wasmtime::component::Component;

/// The worlds of `wit/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum World {
    Protocol,
    Policy,
    StatePolicy,
}

impl World {
    /// Our own interfaces that a component of this world may import.
    fn interfaces(self) -> &'static [&'static str] {
        match self {
            Self::Protocol => &[
                "tofu-state:backend/types",
                "tofu-state:backend/blobs",
                "tofu-state:backend/store",
                "tofu-state:backend/policies",
                "tofu-state:backend/history",
                "tofu-state:backend/inspection",
                "tofu-state:backend/access",
                "tofu-state:policy/types",
            ],
            Self::Policy => &["tofu-state:policy/types"],
            Self::StatePolicy => &["tofu-state:policy/types", "tofu-state:policy/states"],
        }
    }
}

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

/// The imports of `component` that no component of that world gets, by name.
pub(crate) fn forbidden(component: &Component, world: World) -> Vec<String> {
    let engine = component.engine();
    let component_type = component.component_type();
    let names = component_type.imports(engine).map(|(name, _)| name);
    names.filter(|name| !allowed(world, name)).map(str::to_owned).collect()
}

fn allowed(world: World, import: &str) -> bool {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    world.interfaces().contains(&interface) || (WASI.contains(&interface) && version.starts_with("0.2."))
}

#[cfg(test)]
mod tests {
    use super::{World, allowed};

    #[test]
    fn allows_the_world_and_an_empty_wasi_only() {
        for name in [
            "tofu-state:backend/store@0.1.0",
            "tofu-state:backend/types@0.1.0",
            "wasi:cli/environment@0.2.0",
            "wasi:io/streams@0.2.6",
            "wasi:random/insecure-seed@0.2.3",
        ] {
            assert!(allowed(World::Protocol, name), "{name}");
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
            assert!(!allowed(World::Protocol, name), "{name}");
        }
    }

    #[test]
    fn a_policy_gets_less() {
        for name in ["tofu-state:policy/types@0.1.0", "wasi:cli/exit@0.2.6"] {
            assert!(allowed(World::Policy, name) && allowed(World::StatePolicy, name), "{name}");
        }
        let states = "tofu-state:policy/states@0.1.0";
        assert!(!allowed(World::Policy, states) && allowed(World::StatePolicy, states));
        for name in ["tofu-state:backend/store@0.1.0", "tofu-state:backend/blobs@0.1.0", "wasi:clocks/wall-clock@0.2.6"]
        {
            assert!(!allowed(World::Policy, name) && !allowed(World::StatePolicy, name), "{name}");
        }
    }
}

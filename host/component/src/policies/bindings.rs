//! The two worlds of modules, as generated from `wit/deps/policy`. They share their types with the protocol's
//! world, so that a change is passed on as it came.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::restriction, reason = "generated")]

pub(crate) mod policy {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/policy",
        world: "policy-module",
        exports: { default: async },
        with: { "tofu-state:policy/types": crate::bindings::tofu_state::policy::types },
        require_store_data_send: true,
    });
}

pub(crate) mod state_policy {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/policy",
        world: "state-policy-module",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "tofu-state:policy/types": crate::bindings::tofu_state::policy::types,
            "tofu-state:policy/states.state": crate::content::Content,
        },
        require_store_data_send: true,
    });
}

//! The contract, as generated.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::restriction, reason = "generated")]

wit_bindgen::generate!({
    path: "../../../wit/deps/policy",
    world: "policy-module",
    additional_derives: [PartialEq],
    export_macro_name: "export_policy_module",
    pub_export_macro: true,
    default_bindings_module: "tofu_state_policy_kit",
});

//! The contract, as generated from `wit/`. bindgen's own tracing stays off: it logs arguments.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::restriction, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "protocol",
    imports: {
        "tofu-state:backend/store.recall": trappable,
        "tofu-state:backend/store": async | trappable,
        "tofu-state:backend/policies.review": async | trappable,
        "tofu-state:backend/history": async | trappable,
        "tofu-state:backend/inspection": async | trappable,
        "tofu-state:backend/blobs.[method]blob.digests": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: { "tofu-state:backend/blobs.blob": crate::content::Content },
    require_store_data_send: true,
});

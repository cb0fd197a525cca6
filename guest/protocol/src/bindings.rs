//! The contract, as generated.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::restriction, reason = "generated")]

wit_bindgen::generate!({ path: "../../wit", world: "protocol", generate_all });

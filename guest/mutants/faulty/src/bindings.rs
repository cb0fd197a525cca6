//! The contract, as generated.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::restriction, reason = "generated")]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "protocol",
    generate_all,
});

use super::handler::Faulty;
export!(Faulty with_types_in self);

pub(crate) use exports::tofu_state::backend::{handler, locks};
pub(crate) use tofu_state::backend::store;

//! The modules that are built with this crate, see `build.rs`.

use super::entry::Operations;

/// The guard of serials and lineages, which serves where no policy file says otherwise.
pub const LINEAGE_GUARD: &str = "lineage-guard";

/// Names and bytes.
static BUILT_IN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/built_in_policies.rs"));

/// All modules that are built in: their names, and the components.
#[must_use]
pub fn built_in() -> &'static [(&'static str, &'static [u8])] {
    BUILT_IN
}

/// The operations that a built-in module judges: it allows every other one, whatever its configuration. All of
/// them for a name that is not known.
#[must_use]
pub fn judged_by(name: &str) -> Operations {
    let writes = Operations { write: true, ..Operations::NONE };
    match name {
        LINEAGE_GUARD | "deletion-guard" | "encrypted-only" => writes,
        "version-pin" => Operations { lock: true, ..writes },
        "require-lock" => Operations { delete: true, ..writes },
        "freeze" => Operations { force_unlock: false, ..Operations::ALL },
        _ => Operations::ALL,
    }
}

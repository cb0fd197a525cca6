//! The modules that are built with this crate, see `build.rs`.

/// The guard of serials and lineages, which serves where no policy file says otherwise.
pub const LINEAGE_GUARD: &str = "lineage-guard";

/// Names and bytes.
static BUILT_IN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/built_in_policies.rs"));

/// All modules that are built in: their names, and the components.
#[must_use]
pub fn built_in() -> &'static [(&'static str, &'static [u8])] {
    BUILT_IN
}

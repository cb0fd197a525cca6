//! `states.json`: what an export holds, so that an import can tell whether all of it is still there.

use serde::{Deserialize, Serialize};

/// The manifest's name in an export.
pub const NAME: &str = "states.json";
/// The format that this release reads and writes.
pub const FORMAT: u32 = 1;

/// The manifest. It is written last: an export without one is unfinished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The server that was read.
    pub server: String,
    /// When it was finished (RFC 3339, UTC).
    pub exported: String,
    /// The states, by path.
    pub states: Vec<Exported>,
}

/// One state of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Its path on the server.
    pub path: String,
    /// Its file, from the export's folder.
    pub file: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// `serial` of the state.
    pub serial: u64,
    /// `lineage` of the state.
    pub lineage: String,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// A sentence: it is none, or of another release.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| format!("{NAME} is damaged: {error}"))?;
        if manifest.format != FORMAT {
            return Err(format!("{NAME} has format {}: this release reads {FORMAT}", manifest.format));
        }
        Ok(manifest)
    }
}

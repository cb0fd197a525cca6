//! `--address-file`: tells the addresses that were bound to whoever started the server on port 0.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// Writes `{"listen": "…", "admin": "…"}` to `file`, whole or not at all: into a file beside it, which
/// is renamed.
///
/// # Errors
/// What the operating system says.
pub fn write(file: &Path, listen: SocketAddr, admin: SocketAddr) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let text = serde_json::json!({"listen": listen.to_string(), "admin": admin.to_string()}).to_string();
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, file)
}

//! `--make-token`: a token for callers, made once, and the lines that put it to use.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

/// How many random bytes a token has.
const TOKEN_BYTES: usize = 32;

/// The token in `folder/token`, made and written there (mode 0600) if there is none.
///
/// # Errors
/// A sentence for the operator.
pub fn ensure(folder: &Path) -> Result<SecretString, String> {
    let file = folder.join("token");
    let failed = |error: io::Error| format!("the token in {} cannot be made: {error}", file.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
        Ok(new) => fill(new).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            crate::config::source::read_secret(&file).map(SecretString::from).map_err(|wrong| {
                format!("the token in {}: {}; remove it to have a new one made", file.display(), wrong.what)
            })
        }
        Err(error) => Err(failed(error)),
    }
}

fn fill(mut file: File) -> io::Result<SecretString> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let token = hex::encode(bytes);
    writeln!(file, "{token}")?;
    file.sync_all()?;
    Ok(token.into())
}

/// Prints to `out` a backend block for states served at `scheme` (`http` or `https`) and `listen`, and the
/// variables that make it work. It is the operator's own terminal: this alone shows a token.
///
/// # Errors
/// What the operating system says.
pub fn print(out: &mut impl Write, scheme: &str, listen: SocketAddr, token: &SecretString) -> io::Result<()> {
    let state = format!("{scheme}://{listen}/example/first");
    writeln!(
        out,
        "\
terraform {{
  backend \"http\" {{
    address        = \"{state}\"
    lock_address   = \"{state}\"
    unlock_address = \"{state}\"
  }}
}}

export TF_HTTP_USERNAME=token TF_HTTP_PASSWORD={}",
        token.expose_secret()
    )?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("data");
        let first = ensure(&folder).unwrap();
        assert_eq!(first.expose_secret().len(), 2 * TOKEN_BYTES);
        assert_eq!(ensure(&folder).unwrap().expose_secret(), first.expose_secret());
        let mode = std::fs::metadata(folder.join("token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut out = Vec::new();
        print(&mut out, "http", "127.0.0.1:8080".parse().unwrap(), &first).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("unlock_address = \"http://127.0.0.1:8080/example/first\""), "{out}");
        assert!(out.contains(&format!("TF_HTTP_PASSWORD={}", first.expose_secret())));
    }
}

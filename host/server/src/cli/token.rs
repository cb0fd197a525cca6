//! `tofu-state token hash`: an entry for `TOKENS_FILE` of a token that nobody else sees.

use std::io::{self, BufRead, Write};

use secrecy::SecretString;

use crate::access::tokens::digest;
use crate::config::source::sendable;

/// A token shorter than this can be guessed.
const SHORTEST: usize = 16;

/// Reads one line from `input` and writes the entry to `out`.
///
/// # Errors
/// A sentence: why it is no good as a token, or what the operating system says.
pub fn hash(input: &mut impl BufRead, out: &mut impl Write) -> Result<(), String> {
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| format!("standard input cannot be read: {error}"))?;
    let token = line.trim_end_matches(['\r', '\n']);
    if token.len() < SHORTEST {
        return Err(format!("a token needs at least {SHORTEST} characters: make one with `openssl rand -hex 32`"));
    }
    sendable(token).map_err(|wrong| format!("{}; {}", wrong.what, wrong.write))?;
    entry(out, &SecretString::from(token)).map_err(|error| format!("standard output cannot be written: {error}"))
}

fn entry(out: &mut impl Write, token: &SecretString) -> io::Result<()> {
    writeln!(
        out,
        "\
[[token]]
name = \"change-me\"
sha256 = \"{}\"
paths = [\"group/*\"]
rights = [\"read\", \"write\"]
# expires = 2030-01-01T00:00:00Z",
        hex::encode(digest(token))
    )?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_prints_is_read_again() {
        let mut out = Vec::new();
        hash(&mut &b"0123456789abcdef\n"[..], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let entries = crate::access::tokens_file::parse(&text).unwrap();
        assert_eq!(entries[0].digest, digest(&"0123456789abcdef".into()));
        assert!(hash(&mut &b"short\n"[..], &mut Vec::new()).is_err());
        assert!(hash(&mut &b"0123456789 abcdef\n"[..], &mut Vec::new()).is_err());
    }
}
